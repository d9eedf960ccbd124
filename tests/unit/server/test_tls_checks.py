"""Secure addresses without certificates are refused, with etcd's words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from etcdpy.config import Config, InvalidConfigError, load
from etcdpy.server.tls_checks import (
    SelfSignedCertError,
    check_client_listeners,
    check_metrics_listeners,
    check_peer_listeners,
    check_peer_transport,
)

ADVERTISED = "--advertise-client-urls=http://127.0.0.1:1"
CLIENT_TEXT = "TLS key/cert (--cert-file, --key-file) must be provided for client url "
METRICS_TEXT = (
    "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url"
)
HALF = "KeyFile and CertFile must both be present[key: , cert: c.pem]"


def config(*arguments: str) -> Config:
    return load(arguments, {}, lambda *_: None)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """The flags' values for two files that are there."""
    files = tmp_path / "c.pem", tmp_path / "k.pem"
    for file in files:
        file.touch()
    return str(files[0]), str(files[1])


def test_peers_are_listened_for_with_a_certificate_or_not_at_all(pair: tuple[str, str]) -> None:
    secure = "--listen-peer-urls=https://localhost:5"
    with pytest.raises(InvalidConfigError) as refusal:
        check_peer_listeners(config(secure))
    assert str(refusal.value) == (
        "cannot listen on TLS for 127.0.0.1:5: KeyFile and CertFile are not presented"
    )
    with pytest.raises(InvalidConfigError) as refusal:
        check_peer_listeners(config(secure, "--peer-cert-file=c.pem"))
    assert str(refusal.value) == HALF
    with pytest.raises(InvalidConfigError, match="open /none: no such file or directory"):
        check_peer_listeners(config(secure, "--peer-cert-file=/none", "--peer-key-file=k"))
    check_peer_listeners(
        config(secure, f"--peer-cert-file={pair[0]}", f"--peer-key-file={pair[1]}")
    )
    check_peer_listeners(config(secure, "--peer-auto-tls"))
    check_peer_listeners(config("--listen-peer-urls=http://localhost:5,unixs://s"))


def test_peer_listener_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(InvalidConfigError):
        check_peer_listeners(config("--listen-peer-urls=https://127.0.0.1:5"))
    first, failed = caplog.records
    assert first.msg == "configuring peer listeners"
    assert first.args == {"listen-peer-urls": ["https://127.0.0.1:5"]}
    assert (failed.levelname, failed.msg) == ("ERROR", "creating peer listener failed")


def test_cipher_suites_are_those_that_go_knows() -> None:
    known = "TLS_RSA_WITH_AES_128_CBC_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"
    check_peer_listeners(config(f"--cipher-suites={known}"))
    for unknown in ("NOPE", "", "TLS_NOPE"):
        with pytest.raises(InvalidConfigError) as refusal:
            check_peer_listeners(config(f"--cipher-suites={unknown}"))
        assert str(refusal.value) == f'unexpected TLS cipher suite "{unknown}"'


def test_certificate_that_is_never_valid_is_not_made(caplog: pytest.LogCaptureFixture) -> None:
    never = "--self-signed-cert-validity=0"
    with pytest.raises(SelfSignedCertError, match="it should be greater than 0") as refusal:
        check_peer_listeners(config("--peer-auto-tls", never))
    assert refusal.value.message == "failed to get peer self-signed certs"
    with pytest.raises(SelfSignedCertError) as refusal:
        check_client_listeners(config("--auto-tls", never))
    assert refusal.value.message == "failed to get client self-signed certs"
    assert [record.msg for record in caplog.records] == ["cannot generate cert"] * 2
    # It is not wanted where there is one.
    check_client_listeners(config("--auto-tls", never, "--cert-file=c.pem"))


@pytest.mark.parametrize("scheme", ["https", "unixs"])
@pytest.mark.parametrize("flag", ["--listen-client-urls", "--listen-client-http-urls"])
def test_secure_clients_need_a_certificate(flag: str, scheme: str) -> None:
    secure = f"{flag}={scheme}://127.0.0.1:5"
    with pytest.raises(InvalidConfigError) as refusal:
        check_client_listeners(config(secure, ADVERTISED))
    assert str(refusal.value) == f"{CLIENT_TEXT}{scheme}://127.0.0.1:5 with HTTPS scheme"
    check_client_listeners(config(secure, ADVERTISED, "--cert-file=c.pem"))
    check_client_listeners(config(secure, ADVERTISED, "--auto-tls"))


def test_one_address_is_not_for_both_kinds_of_clients() -> None:
    both = ("--listen-client-urls=http://127.0.0.1:5", "--listen-client-http-urls")
    with pytest.raises(InvalidConfigError) as refusal:
        check_client_listeners(config(both[0], f"{both[1]}=http://127.0.0.1:5", ADVERTISED))
    assert str(refusal.value) == (
        "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url "
        "http://127.0.0.1:5"
    )
    check_client_listeners(config(both[0], f"{both[1]}=http://127.0.0.1:6", ADVERTISED))


@pytest.mark.parametrize("scheme", ["https", "unixs"])
def test_secure_metrics_need_a_certificate(scheme: str) -> None:
    secure = f"--listen-metrics-urls={scheme}://127.0.0.1:5"
    with pytest.raises(InvalidConfigError) as refusal:
        check_metrics_listeners(config(secure))
    assert str(refusal.value) == METRICS_TEXT
    check_metrics_listeners(config(secure, "--auto-tls"))


def test_metrics_need_both_files_of_a_certificate(pair: tuple[str, str]) -> None:
    secure = "--listen-metrics-urls=https://127.0.0.1:5"
    with pytest.raises(InvalidConfigError) as refusal:
        check_metrics_listeners(config(secure, "--cert-file=c.pem"))
    assert str(refusal.value) == HALF
    check_metrics_listeners(config(secure, f"--cert-file={pair[0]}", f"--key-file={pair[1]}"))
    # etcd wraps no unix socket in TLS for metrics, and reads no files for it.
    check_metrics_listeners(
        config("--listen-metrics-urls=unixs://s,http://127.0.0.1:1", "--cert-file=c.pem")
    )


def test_peers_cannot_be_called_with_half_a_certificate() -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        check_peer_transport(config("--peer-cert-file=c.pem"))
    assert str(refusal.value) == HALF
    check_peer_transport(config())
