"""What a person at a terminal sees, and programs do not."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.lifecycle.process import PORT_0, READY, Process
from tests.support.terminal import Terminal

SERVER = ("-m", "etcdpy", *PORT_0, "--unsafe-no-fsync")
#: A line of etcd's for people: when, how bad, from where, what.
CONSOLE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+\S+\t(info|warn)\t[\w/]+\.py:\d+\t\S.*")


def test_log_is_for_people_and_its_last_line_says_where_everything_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Terminal(*SERVER, "--data-dir", data) as person:
        person.wait_for("/mod/dashboard/")
        person.signal(signal.SIGINT)
        assert person.wait() == -signal.SIGINT
    (told,) = [line for line in person.lines if line.startswith("etcdpy serves at ")]
    start, end = person.lines[: person.lines.index(told)], person.lines[1:]
    assert all(map(CONSOLE.fullmatch, start))
    assert all(map(CONSOLE.fullmatch, end[end.index(told) + 1 :]))
    (address,) = re.findall(r'"address": "(127\.0\.0\.1:\d+)"', start[-1])
    assert told == (
        f"etcdpy serves at http://{address}, keeps its data in {data}, "
        f"and has a dashboard at http://{address}/mod/dashboard/"
    )


@pytest.mark.parametrize("source", ["flag", "variable", "empty flag", "file"])
def test_format_that_is_asked_for_is_had_at_a_terminal_too(tmp_path: Path, source: str) -> None:
    arguments, environment = [*SERVER, f"--data-dir={tmp_path / 'data'}"], {}
    if source == "flag":
        arguments.append("--log-format=json")
    elif source == "empty flag":
        arguments.append("--log-format=")
    elif source == "variable":
        environment["ETCD_LOG_FORMAT"] = "json"
    else:
        file = tmp_path / "file"
        urls = "listen-client-urls: http://127.0.0.1:0\nadvertise-client-urls: http://a:1\n"
        file.write_text(f"{urls}data-dir: {tmp_path / 'data'}\nlog-format: json\n")
        arguments = ["-m", "etcdpy", f"--config-file={file}"]
    with Terminal(*arguments, environment=environment) as person:
        person.wait_for("serving client traffic")
        person.signal(signal.SIGTERM)
        person.wait()
    messages = [json.loads(line)["msg"] for line in person.lines]
    assert READY in messages


def test_file_gets_json_while_the_terminal_is_looked_at(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Terminal(*SERVER, "--data-dir", tmp_path / "d", f"--log-outputs=stderr,{log}") as person:
        person.wait_for("/mod/dashboard/")
        person.signal(signal.SIGTERM)
        person.wait()
    assert READY in [json.loads(line)["msg"] for line in log.read_text().splitlines()]
    assert any(map(CONSOLE.fullmatch, person.lines))


def test_refusal_is_readable_at_a_terminal() -> None:
    with Terminal("-m", "etcdpy", "word") as person:
        assert person.wait() == 1
    assert CONSOLE.fullmatch(person.lines[-1])
    assert 'failed to verify flags\t{"error": "\\"word\\" is not' in person.lines[-1]


def test_program_that_reads_a_pipe_gets_json_and_nothing_else(tmp_path: Path) -> None:
    with Process(*PORT_0, "--data-dir", tmp_path / "data") as server:
        server.wait_ready()
        server.signal(signal.SIGTERM)
        # Every line was JSON, or this had failed.
        assert server.wait() == -signal.SIGTERM
