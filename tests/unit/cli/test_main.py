"""The command's words lead to what they ask for, and to etcd's exit status."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from etcdpy import logs
from etcdpy.cli.main import main
from etcdpy.config import Config
from etcdpy.server import lifecycle, process_state

# The command says where logging goes.
pytestmark = pytest.mark.usefixtures("root")

URLS = ("--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://a:1")


@pytest.fixture(autouse=True)
def taken_over(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep signals and streams as they are here; an item for each time they were not to be."""
    times: list[str] = []
    monkeypatch.setattr(process_state, "take_over", lambda: times.append("taken over"))
    return times


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Config]:
    """The settings that servers were run with; none really is."""
    found: list[Config] = []

    def run(config: Config) -> int:
        found.append(config)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lifecycle, "run", run)
    return found


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let a server fail."""

    def run(_: Config) -> int:
        raise error

    monkeypatch.setattr(lifecycle, "run", run)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [(record.msg, record.args) for record in caplog.records]


def test_command_line_becomes_a_server(served: list[Config]) -> None:
    assert main(["--name=n1", *URLS]) == 0
    (config,) = served
    assert (config.name, config.data_dir) == ("n1", "n1.etcd")


def test_the_process_is_put_in_order_before_anything_is_opened(
    taken_over: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: taken_over.append("logs"))
    assert main(["--version"]) == 0
    assert taken_over == ["taken over", "logs"]


def test_log_is_where_the_settings_say(served: list[Config], tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert main([f"--log-outputs={path}", "--log-level=error", *URLS]) == 0
    logging.getLogger("etcdpy.x").error("it broke")
    logging.getLogger("etcdpy.x").info("nobody cares")
    logs.flush()
    (line,) = path.read_text().splitlines()
    assert '"msg":"it broke"' in line
    assert len(served) == 1


def test_server_that_cannot_serve_ends_with_1(
    served: list[Config], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(monkeypatch, lifecycle.FatalError("discovery failed", {"error": "no"}))
    assert main(URLS) == 1
    assert logged(caplog)[-1] == ("discovery failed", {"error": "no"})
    assert served == []


def test_mistake_of_ours_ends_with_2_and_its_trace(
    served: list[Config], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(monkeypatch, ZeroDivisionError("ours"))
    assert main(URLS) == 2
    last = caplog.records[-1]
    assert last.msg == "panic"
    assert last.exc_info is not None
    assert last.exc_info[0] is ZeroDivisionError
    assert served == []


@pytest.mark.parametrize(
    ("arguments", "status", "message", "error"),
    [
        (["word"], 1, "failed to verify flags", '"word" is not a valid flag'),
        (["--log-outputs=/"], 1, "failed to verify flags", 'open sink "/": open /: is a directory'),
    ],
)
def test_settings_that_cannot_be_used_are_logged(
    served: list[Config],
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    status: int,
    message: str,
    error: str,
) -> None:
    caplog.set_level(logging.INFO)
    assert main(arguments) == status
    assert logged(caplog)[-2:] == [("Running: ", {"args": sys.argv}), (message, {"error": error})]
    assert served == []


def test_setting_in_two_places_is_a_line_of_its_own(
    served: list[Config], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ETCD_NAME", "x")
    assert main(["--name=x"]) == 1
    assert caplog.records[-1].args == {"environment-variable": "ETCD_NAME"}
    assert served == []


@pytest.mark.parametrize(
    ("word", "line"), [("test-servr", "Did you mean test-server?\n"), ("word", "")]
)
def test_mistyped_command_gets_the_nearest(
    word: str, line: str, served: list[Config], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 1
    assert capfd.readouterr().err.rpartition("}\n")[2] == line
    assert served == []


@pytest.mark.parametrize(
    ("arguments", "status", "first"),
    [
        (["--bogus"], 2, "flag provided but not defined: -bogus"),
        (["--log-level=loud"], 2, 'panic: unrecognized level: "loud"'),
        (["gateway"], 1, "etcdpy has no gateway; etcd's own works in front of it"),
        (["--config-file=nowhere"], 1, ""),
    ],
)
def test_what_does_not_parse_is_told_on_standard_error(
    served: list[Config],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    first: str,
) -> None:
    assert main(arguments) == status
    assert capsys.readouterr().err.startswith(first)
    assert served == []


def test_url_in_a_file_that_is_none_is_told_alone(
    served: list[Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("listen-client-urls: x")
    assert main([f"--config-file={tmp_path / 'file'}"]) == 1
    start = "unexpected error setting up listen-client-urls: "
    assert capsys.readouterr().err.startswith(start)
    assert served == []


def test_help_and_version_are_printed(
    served: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert "  --name 'default'\n" in out
    assert err.startswith("Usage:\n")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("etcd Version: ")
    assert served == []
