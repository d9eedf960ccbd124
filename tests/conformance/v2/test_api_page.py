"""Each command of etcd's own pages about v2 gives its answer, typed at a shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conformance.v2 import api_page
from tests.conformance.v2.api_page import TIME, URL, Step
from tests.conformance.v2.conftest import REFERENCE, SUBJECT, start

_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


class Shell:
    """
    Gives commands to a shell, with a server where the pages have theirs.

    Args:
        address: Of the server.
        directory: To work in.

    """

    def __init__(self, address: str, directory: Path) -> None:
        self._address = address
        self._directory = directory

    def run(self, command: str) -> Answer:
        with self.begun(command) as process:
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, command
        return _read(output)

    @contextmanager
    def begun(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        here = command.replace(URL, f"http://{self._address}").replace("curl ", "exec curl -sSiv ")
        # The pages' shell is one whose echo knows of \n.
        with subprocess.Popen(
            ["bash", "-O", "xpg_echo", "-c", here],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._directory,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def _read(output: bytes) -> Answer:
    head, body = output.decode().split("\r\n\r\n", 1)
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, body)


@pytest.fixture(params=[SUBJECT, REFERENCE])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def shell(kind: str, tmp_path: Path) -> Iterator[Shell]:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    for server in start(kind):
        yield Shell(server.address, tmp_path)


def check(answer: Answer, step: Step) -> None:
    told = answer.body
    if isinstance(step.answer, str):
        assert (answer.status, told) == (step.status, step.answer), step.command
        return
    plain = _without_times(json.loads(told), step.answer)
    assert (answer.status, plain) == (step.status, step.answer), step.command


def _without_times(told: Any, shown: Any) -> Any:
    """Return what is told, in order of keys, with times as they are shown if they can be right."""
    if isinstance(told, list):
        ordered = sorted(told, key=lambda node: str(node["key"]))
        return [_without_times(*pair) for pair in zip(ordered, shown, strict=True)]
    if not isinstance(told, dict):
        return told
    shown = shown if isinstance(shown, dict) else {}
    plain = {name: _without_times(value, shown.get(name)) for name, value in told.items()}
    if "expiration" in plain and _EXPIRATION.fullmatch(plain["expiration"]):
        plain["expiration"] = TIME
    if "ttl" in plain:
        if "ttl" not in shown and plain["ttl"] < 0:
            # It is over for more than a second.
            del plain["ttl"]
        elif 0 < plain["ttl"] <= shown.get("ttl", 0):
            plain["ttl"] = shown["ttl"]
    return plain


def follow(shell: Shell, steps: Iterable[Step], kind: str = SUBJECT) -> None:
    remaining = iter(steps)
    for step in remaining:
        if step.is_background:
            with shell.begun(step.command) as process:
                assert process.stderr is not None
                # It waits once the headers are there, which curl holds back from its output.
                for line in process.stderr:
                    if line.strip() == b"<":
                        break
                follow(shell, [next(remaining)], kind)
                output, _ = process.communicate(timeout=60)
            check(_read(output), step)
        elif kind == REFERENCE and step.in_etcd is not None:
            check(shell.run(step.in_etcd[0]), Step(*step.in_etcd))
        else:
            check(shell.run(step.command), step)


def test_commands_about_keys_answer_what_the_page_shows(shell: Shell, kind: str) -> None:
    version = json.loads(shell.run(f"curl -L {URL}/version").body)
    assert version.keys() >= {"etcdserver", "etcdcluster"}
    follow(shell, api_page.KEYS, kind)
    follow(shell, api_page.LATER, kind)
    headers = shell.run(f"curl {URL}/v2/keys/foo").headers
    assert headers["x-etcd-index"] == "36"
    assert headers["x-raft-index"].isdigit()
    assert headers["x-raft-term"].isdigit()
    for command, names in api_page.STATISTICS:
        told = json.loads(shell.run(command).body)
        assert told.keys() == names
    counted = api_page.COUNTED if kind == SUBJECT else api_page.COUNTED_BY_ETCD
    assert {name: told[name] for name in counted} == counted
    follow(shell, api_page.GONE)


@pytest.mark.parametrize("kind", [SUBJECT], indirect=True)
def test_commands_about_modules_answer_what_the_pages_show(shell: Shell) -> None:
    follow(shell, api_page.LOCKS)
    follow(shell, api_page.LEADERS)
    check(shell.run(api_page.ACQUIRE.command), api_page.ACQUIRE)
    with shell.begun(api_page.WAIT.command) as process:
        # It can be renewed as soon as it is in the queue.
        while shell.run(api_page.RENEW.command).status != 200:
            assert process.poll() is None
        follow(shell, api_page.WHILE_IT_WAITS)
        output, _ = process.communicate(timeout=60)
    check(_read(output), api_page.WAIT)
    follow(shell, api_page.RELEASE)
    elected, *others = api_page.ELECTION
    answer = shell.run(elected.command)
    assert answer.status == 200
    assert answer.body.isdigit()
    follow(shell, others)
