"""The page about the gateway: what it shows is what comes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import etcdpy_server

PAGE = Path(__file__).parents[2] / "docs" / "gateway.md"
URL = "http://127.0.0.1:2379"

#: Each command of the page, and what it shows of the answer.
SHOWN = [
    (command, answer)
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for command, answer in re.findall(r"^\$ (curl [^\n]*)\n([^\n$][^\n]*)", block, re.MULTILINE)
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    with etcdpy_server() as server:
        yield server.address


def pattern(answer: str) -> str:
    """Return an answer of the page, whose dots stand for anything, as a pattern."""
    return re.escape(answer).replace("…", ".*?")


def test_page_shows_commands() -> None:
    assert len(SHOWN) == 8


def test_commands_of_the_page_answer_what_it_shows(address: str) -> None:
    for command, answer in SHOWN:
        here = command.replace(URL, f"http://{address}")
        if "-sN" in command:
            _watch(here, address, answer)
            continue
        # A command of the page, which is ours.
        run = subprocess.run(["bash", "-c", here], capture_output=True, check=True, timeout=60)
        assert re.fullmatch(pattern(answer), run.stdout.decode()), command


def _watch(command: str, address: str, answer: str) -> None:
    process = subprocess.Popen(["bash", "-c", f"exec {command}"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        created = process.stdout.readline().decode().rstrip("\n")
        assert re.fullmatch(pattern(answer), created)
        body: dict[str, Any] = {"key": "größe", "value": "13"}
        put = ["curl", "-s", f"http://{address}/v3/kv/put?utf8=true", "-d", json.dumps(body)]
        subprocess.run(put, check=True, capture_output=True, timeout=60)
        event = json.loads(process.stdout.readline())
        assert event["result"]["events"][0]["kv"]["value"] == "13"
    finally:
        process.kill()
        process.communicate()
