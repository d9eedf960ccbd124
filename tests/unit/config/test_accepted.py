"""Flags that are taken without effect, and the few among them that are refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from etcdpy.config import InvalidConfigError, UsageError, load
from etcdpy.config.accepted import ACCEPTED
from etcdpy.config.values import Bool, Duration

REMARK = "flag is accepted for compatibility and has no effect"
REFUSED = {
    "discovery-endpoints",
    "discovery-token",
    "discovery-srv",
    "discovery-fallback",
    "enable-distributed-tracing",
}


def remarked(*arguments: str, **environment: str) -> list[object]:
    """The flags that are said to have no effect."""
    found: list[object] = []

    def note(level: str, message: str, fields: Mapping[str, object]) -> None:
        if message == REMARK:
            found.append(fields["flag"])

    load(arguments, environment, note)
    return found


def refusal(*arguments: str) -> str:
    with pytest.raises(InvalidConfigError) as error:
        load(arguments, {}, lambda *_: None)
    return str(error.value)


@pytest.mark.parametrize("flag", sorted(ACCEPTED.keys() - REFUSED))
def test_flag_is_taken_and_remarked_on(flag: str) -> None:
    row = ACCEPTED[flag]
    value = "1s" if isinstance(row.kind, Duration) else "true" if isinstance(row.kind, Bool) else ""
    text = value or row.shown
    assert remarked(f"--{flag}={text}") == [flag]
    variable = "ETCD_" + flag.upper().replace("-", "_")
    assert remarked(**{variable: text}) == ([flag] if text else [])


def test_nothing_is_remarked_on_unasked() -> None:
    assert remarked() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--discovery-endpoints=http://a:1", "--discovery-token=x"],
            "--discovery-endpoints is not supported: this server is a single node and joins no "
            "others",
        ),
        (
            ["--discovery-srv=example.com"],
            "--discovery-srv is not supported: this server is a single node and joins no others",
        ),
        (
            ["--discovery-srv=example.com", "--initial-cluster=default=http://localhost:2380"],
            "multiple discovery or bootstrap flags are set. Choose one of "
            '"initial-cluster", "discovery-endpoints" or "discovery-srv"',
        ),
        (
            ["--discovery-token=x"],
            "both --discovery-token and --discovery-endpoints must be set",
        ),
        (
            ["--discovery-fallback=proxy"],
            'v2 proxy is deprecated, and --discovery-fallback can\'t be configured as "proxy"',
        ),
        (["--enable-distributed-tracing"], "--enable-distributed-tracing is not supported"),
        (
            ["--compact-hash-check-time=0"],
            "--compact-hash-check-time must be >0 (set to 0s)",
        ),
        (
            ["--compact-hash-check-time=-90s"],
            "--compact-hash-check-time must be >0 (set to -1m30s)",
        ),
        (
            ["--discovery-endpoints="],
            "both --discovery-token and --discovery-endpoints must be set",
        ),
    ],
)
def test_what_is_refused(arguments: list[str], text: str) -> None:
    assert refusal(*arguments) == text


def test_harmless_values_of_refused_flags_are_taken() -> None:
    assert remarked("--discovery-fallback=exit", "--enable-distributed-tracing=false") == [
        "discovery-fallback",
        "enable-distributed-tracing",
    ]


@pytest.mark.parametrize(
    "flag",
    [
        "experimental-initial-corrupt-check",
        "experimental-enable-v2v3",
        "proxy",
        "addr",
        "peer-addr",
    ],
)
def test_flags_that_etcd_has_no_more_are_unknown(flag: str) -> None:
    with pytest.raises(UsageError, match=f"^flag provided but not defined: -{flag}$"):
        load([f"--{flag}"], {}, lambda *_: None)


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("cors", "a", "URL scheme must be http, https, unix, or unixs: a"),
        ("listen-metrics-urls", "x", "URL scheme must be http, https, unix, or unixs: x"),
        ("discovery-fallback", "foo", "invalid value"),
        ("v2-deprecation", "not-yet", 'invalid value "not-yet"'),
        ("snapshot-count", "abc", "parse error"),
    ],
)
def test_values_are_still_checked(flag: str, value: str, why: str) -> None:
    with pytest.raises(UsageError) as error:
        load([f"--{flag}={value}"], {}, lambda *_: None)
    assert str(error.value) == f'invalid value "{value}" for flag -{flag}: {why}'
