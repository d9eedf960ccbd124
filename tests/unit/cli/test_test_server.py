"""The words of ``etcdpy test-server``."""

from __future__ import annotations

import pytest

from etcdpy.cli import test_server
from etcdpy.testing.settings import Settings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, str]]:
    """What would have been served, and the control address."""
    served: list[tuple[Settings, str]] = []

    def run(settings: Settings, *, control: str) -> int:
        served.append((settings, control))
        return 0

    monkeypatch.setattr(test_server, "run", run)
    return served


def test_flags_of_etcd_are_taken_as_etcd_takes_them(served: list[tuple[Settings, str]]) -> None:
    words = ["--quota-backend-bytes", "1048576", "-max-txn-ops=7", "--pre-vote", "--tls"]
    assert test_server.main([*words, "--control", "unix:/c"]) == 0
    [(settings, control)] = served
    assert settings.flags == {
        "quota-backend-bytes": "1048576",
        "max-txn-ops": "7",
        "pre-vote": "true",
    }
    assert (settings.tls, control) == (True, "unix:/c")


def test_what_tests_want_is_taken_too(served: list[tuple[Settings, str]]) -> None:
    words = ["--auth", '{"root": "r"}', "--roles", '{"app": ["a/"]}', "--clock=frozen"]
    words += ["--requests", "5"]
    assert test_server.main([*words, "--data-dir", "/d", "--version=3.5.12", "--port=7"]) == 0
    settings = served[0][0]
    assert settings.auth == {"root": "r"}
    assert settings.roles == {"app": ["a/"]}
    assert (settings.clock, settings.version, settings.port) == ("frozen", "3.5.12", 7)
    assert settings.requests == 5
    assert settings.data_dir == "/d"


def test_settings_come_as_a_whole(served: list[tuple[Settings, str]]) -> None:
    words = ["--settings", '{"flags": {"max-txn-ops": "7"}, "data": {"a": {"base64": "/w=="}}}']
    assert test_server.main(words) == 0
    assert served[0][0] == Settings.of(max_txn_ops=7, data={"a": b"\xff"})


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--quota-backend-bites=1"], "flag provided but not defined: -quota-backend-bites\n"),
        (["--quota-backend-bites=1"], "\nDid you mean --quota-backend-bytes?\nusage: "),
        (["--cluck=frozen"], "\nDid you mean --clock?\n"),
        (["--auth={"], "argument --auth: '{' is no JSON: "),
        (["word"], "'word' is not a flag"),
        (["--max-txn-ops"], "flag needs an argument: -max-txn-ops\n"),
        (["--clock=slow"], "'running' or 'frozen'"),
    ],
)
def test_mistakes_are_told(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert test_server.main(words) == test_server.EXIT_USAGE
    assert why in capsys.readouterr().err


def test_server_that_cannot_serve_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert test_server.main(["--control", "10.0.0.1:1"]) == test_server.EXIT_REFUSED
    assert "of this machine alone" in capsys.readouterr().err
