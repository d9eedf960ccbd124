"""What the settings say of TLS, as etcd logs it, and what of it a certificate made here leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.config import Config
from etcdpy.config.urls import parse_urls
from etcdpy.server.tls import ServerSecurity
from etcdpy.server.tls_info import SelfSignError, TlsInfo, configure, is_secured
from etcdpy.testing.clock import MovableClock

SECURED = tuple(parse_urls("https://127.0.0.1:0"))
AES_128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"


def test_which_urls_are_secured() -> None:
    urls = parse_urls("https://a:1,http://a:1,unix://a,unixs://a")
    assert [str(url) for url in urls if is_secured(url)] == ["https://a:1", "unixs://a"]


class TestSettings:
    def test_say_what_connections_are_secured_by(self) -> None:
        config = Config(
            cert_file="c",
            key_file="k",
            trusted_ca_file="a",
            client_cert_auth=True,
            client_crl_file="r",
            client_cert_allowed_hostname=("h",),
            cipher_suites=(AES_128,),
            tls_min_version="TLS1.2",
            tls_max_version="TLS1.3",
            auto_tls=True,
            listen_client_urls=SECURED,
        )
        found = configure(config, MovableClock())
        assert found == TlsInfo(
            "c", "k", "", "", "a", "r", True, ("h",), (AES_128,), "TLS1.2", "TLS1.3"
        )
        assert str(found) == (
            "cert = c, key = k, client-cert=, client-key=, trusted-ca = a, "
            "client-cert-auth = true, crl-file = r"
        )

    def test_certificate_is_made_if_asked_for_and_asks_nothing_of_clients(
        self, tmp_path: Path
    ) -> None:
        config = Config(
            data_dir=str(tmp_path),
            auto_tls=True,
            client_cert_auth=True,
            trusted_ca_file="a",
            listen_client_urls=SECURED,
        )
        found = configure(config, MovableClock())
        assert found.certificate == str(tmp_path / "fixtures" / "client" / "cert.pem")
        assert (found.client_certificate, found.client_key) == (found.certificate, found.key)
        assert not found.asks_clients
        ServerSecurity(found).context()

    def test_name_what_keeps_a_certificate_from_being_made(self, tmp_path: Path) -> None:
        place = tmp_path / "fixtures"
        place.write_text("in the way")
        config = Config(data_dir=str(tmp_path), auto_tls=True, listen_client_urls=SECURED)
        with pytest.raises(SelfSignError) as refusal:
            configure(config, MovableClock())
        assert str(refusal.value) == f"open {place / 'client'}: not a directory"
