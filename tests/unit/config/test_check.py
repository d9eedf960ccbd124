"""Settings that cannot be served are refused in etcd's words, unwise ones remarked on."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from etcdpy.config import (
    Config,
    InvalidConfigError,
    UnknownLogLevelError,
    load,
    parse_level,
)
from etcdpy.config.check import check
from etcdpy.config.gates import FeatureGates
from tests.unit.config.loading import URLS, loaded, loaded_with_notes, refusal

REMARK = "flag is accepted for compatibility and has no effect"


@pytest.mark.parametrize("flag", ["listen-client-urls", "listen-peer-urls"])
@pytest.mark.parametrize("url", ["http://example.com:32399", "http://:2379"])
def test_listening_needs_an_ip(flag: str, url: str) -> None:
    assert refusal(*URLS, f"--{flag}={url}") == f"expected IP in URL for binding ({url})"


def test_advertised_urls_need_a_host() -> None:
    assert refusal("--initial-advertise-peer-urls=http://:1") == (
        '--initial-advertise-peer-urls "http://:1" must be "host:port" '
        "(unexpected empty host (http://:1))"
    )
    assert refusal("--advertise-client-urls=http://:2379") == (
        '--advertise-client-urls "http://:2379" must be in the format "host:port", '
        '"unix:/path/to/socket" or "unixs:/path/to/socket" '
        "(unexpected empty host (http://:2379))"
    )


@pytest.mark.parametrize("level", ["debug", "INFO", "Warn", "warning", "error", "fatal", ""])
def test_log_levels_in_any_case(level: str) -> None:
    assert loaded(f"--log-level={level}").log_level == level


def test_unknown_log_level_comes_before_other_mistakes() -> None:
    with pytest.raises(UnknownLogLevelError, match=r'^unrecognized level: "x"$'):
        loaded("--log-level=x", "--listen-client-urls=http://:1")


@pytest.mark.parametrize(
    ("text", "number"),
    [("debug", logging.DEBUG), ("", logging.INFO), ("WARN", logging.WARNING), ("panic", 50)],
)
def test_levels_have_the_standard_librarys_numbers(text: str, number: int) -> None:
    assert parse_level(text) == number


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("--logger=capnslog", "--logger=capnslog is removed in v3.5"),
        ("--logger=x", 'unknown logger option "x"'),
        ("--log-outputs=default,x", 'multi logoutput for "default" is not supported yet'),
        ("--log-format=xml", "unknown log format: xml, supported values json, console"),
        (
            "--log-outputs=systemd/journal,stderr",
            "running with systemd/journal but other '--log-outputs' values "
            '(["stderr" "systemd/journal"]) are configured with '
            "'default'; override 'default' value with something else",
        ),
    ],
)
def test_logging_that_cannot_be(argument: str, why: str) -> None:
    assert refusal(argument) == why


def test_state_of_a_cluster_is_one_of_two() -> None:
    with pytest.raises(InvalidConfigError) as refused:
        check(Config(initial_cluster_state="old"), (), lambda *_: None)
    assert str(refused.value) == 'unexpected clusterState "old"'


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"heartbeat_interval": 0}, "--heartbeat-interval must be >0 (set to 0ms)"),
        ({"election_timeout": 0}, "--election-timeout must be >0 (set to 0ms)"),
        (
            {"election_timeout": 499},
            "--election-timeout[499ms] should be at least as 5 times as "
            "--heartbeat-interval[100ms]",
        ),
        (
            {"election_timeout": 50001},
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
        ),
        (
            {"feature_gates": FeatureGates().parse("LeaseCheckpointPersist=true")},
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
            "LeaseCheckpoint",
        ),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        check(Config(**settings), (), lambda *_: None)
    assert str(refusal.value) == why


def test_checkpoints_that_are_not_persisted_are_remarked_on() -> None:
    notes: list[str] = []
    config = Config(feature_gates=FeatureGates().parse("LeaseCheckpoint=true"))
    check(config, (), lambda level, message, _: notes.append(f"{level}: {message}"))
    assert (
        "warn: Detected that checkpointing is enabled without persistence. Consider enabling "
        "feature gate LeaseCheckpointPersist" in notes
    )


def test_unwise_settings_are_remarked_on() -> None:
    _, notes = loaded_with_notes("--max-request-bytes=20971520")
    texts = [text for _, text, _ in notes]
    assert "exceeded recommended request limit" in texts
    assert any(text.startswith("it isn't recommended to use default name") for text in texts)


@pytest.mark.parametrize(
    ("argument", "start"),
    [
        ("--cert-file=x", "scheme is http or unix while key and cert files are present"),
        ("--client-cert-auth", "scheme is http or unix while --client-cert-auth is enabled"),
    ],
)
def test_certificates_without_effect_are_warned_of(argument: str, start: str) -> None:
    _, notes = loaded_with_notes(argument)
    told = [(level, fields) for level, text, fields in notes if text.startswith(start)]
    assert told == [("warn", {"client-url": "http://localhost:2379"})]


@pytest.mark.parametrize(
    ("arguments", "is_warned"),
    [((), True), (("--listen-client-http-urls=http://127.0.0.1:1",), False)],
)
def test_one_port_for_all_is_warned_of(arguments: tuple[str, ...], is_warned: bool) -> None:
    _, notes = loaded_with_notes(*arguments)
    told = [text for _, text, _ in notes if text.startswith("Running http and grpc server")]
    assert bool(told) is is_warned


def test_flag_without_effect_is_remarked_on_when_given() -> None:
    remark = "flag is accepted for compatibility and has no effect"
    _, notes = loaded_with_notes("--listen-peer-urls=http://127.0.0.1:0", *URLS)
    assert ("info", remark, {"flag": "listen-peer-urls"}) in notes
    assert remark not in [text for _, text, _ in loaded_with_notes()[1]]


@pytest.mark.parametrize(
    ("flag", "level"),
    [
        ("client-cert-file", "warn"),
        ("peer-trusted-ca-file", "info"),
        ("wal-dir", "info"),
    ],
)
def test_what_was_to_keep_clients_out_is_warned_of(flag: str, level: str) -> None:
    notes: list[tuple[str, str, Mapping[str, object]]] = []
    load([f"--{flag}=x"], {}, lambda *note: notes.append(note))
    assert (level, REMARK, {"flag": flag}) in notes


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--max-snapshots=3", "--max-snapshots is deprecated in 3.6"),
        ("--v2-deprecation=gone", "--v2-deprecation is deprecated and scheduled for removal"),
    ],
)
def test_what_etcd_is_about_to_drop_is_warned_of(argument: str, text: str) -> None:
    notes: list[tuple[str, str]] = []
    load([argument], {}, lambda level, message, _: notes.append((level, message)))
    assert [level for level, message in notes if message.startswith(text)] == ["warn"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--tls-min-version=TLS1.1"],
            'unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3)',
        ),
        (
            ["--tls-max-version=x"],
            'unexpected TLS version "x" (must be one of: TLS1.2, TLS1.3)',
        ),
        (
            ["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
            "min version (TLS1.3) is greater than max version (TLS1.2)",
        ),
        (
            ["--tls-min-version=TLS1.3", "--cipher-suites=TLS_AES_128_GCM_SHA256"],
            "cipher suites cannot be configured when only TLS1.3 is enabled",
        ),
    ],
)
def test_versions_of_tls_that_cannot_be_are_refused(arguments: list[str], text: str) -> None:
    with pytest.raises(InvalidConfigError) as error:
        load(arguments, {}, lambda *_: None)
    assert str(error.value) == text


def test_versions_of_tls_that_leave_one_are_taken() -> None:
    load(["--tls-min-version=", "--tls-max-version=TLS1.2"], {}, lambda *_: None)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--audit-log-sync"], "--audit-log-sync requires --audit-log"),
        (
            ["--audit-log=x.log", "--log-outputs=stderr,x.log"],
            "--audit-log and --log-outputs must not be the same file",
        ),
        (
            ["--audit-log=x.log", "--log-outputs=./y/../x.log"],
            "--audit-log and --log-outputs must not be the same file",
        ),
        (
            ["--audit-log=x.log", "--audit-log-rotation-config-json={"],
            "--audit-log-rotation-config-json: improperly formatted log rotation config: "
            "unexpected end of JSON input",
        ),
    ],
)
def test_audit_log_that_cannot_be_is_refused(flags: list[str], reason: str) -> None:
    assert refusal(*flags) == reason


def test_audit_log_is_off_unless_it_has_a_name_and_is_always_rotated() -> None:
    assert loaded("--audit-log-rotation-config-json={").audit_log == ""
    config = loaded("--audit-log=a.log", '--audit-log-rotation-config-json={"maxbackups": 3}')
    assert config.audit_log_rotation.max_backups == 3
    assert loaded().audit_log_rotation.max_size == 100
