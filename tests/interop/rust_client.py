"""Builds and runs the tests in ``rust/``, which drive a server with the crate etcd-client."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop import ROOT, dialogue
from tests.support.servers import Server

CRATE = Path(__file__).with_name("rust")
BUILD = ROOT / "build" / "interop-rust"

FETCH_TIMEOUT = 120.0
# Some 80 seconds of one processor where nothing is built yet, and others may use it too.
BUILD_TIMEOUT = 600.0
TEST_TIMEOUT = 60.0

# They have their server killed or restarted, so they are run in a way of their own.
_RESTARTS = "restarts"

_TEST = re.compile(r"^#\[tokio::test\]\nasync fn (\w+)\(\)", re.MULTILINE)


def names(*, restarts: bool) -> list[str]:
    """Return the tests there are: those about restarts, or all others."""
    return [
        f"{path.stem}::{name}"
        for path in sorted((CRATE / "src").glob("*.rs"))
        if (path.stem == _RESTARTS) is restarts
        for name in _TEST.findall(path.read_text())
    ]


def build() -> Path:
    """Make the program and return it; skip where there is no Rust or a crate cannot be had."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo on this machine")
    try:
        fetched = _cargo("fetch", "--locked", timeout=FETCH_TIMEOUT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the crates cannot be had within {FETCH_TIMEOUT:.0f} s")
    if fetched.returncode:
        pytest.skip(f"the crates cannot be had: {fetched.stderr.strip()[-500:]}")
    built = _cargo(
        "test", "--no-run", "--offline", "--locked", "--message-format=json", timeout=BUILD_TIMEOUT
    )
    assert built.returncode == 0, built.stderr
    messages = map(json.loads, built.stdout.splitlines())
    (program,) = filter(None, (message.get("executable") for message in messages))
    return Path(program)


def _cargo(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cargo", *arguments],
        cwd=CRATE,
        env=os.environ | {"CARGO_TARGET_DIR": str(BUILD), "PROTOC": str(_protoc())},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def _protoc() -> Path:
    """Return a program that is the protoc of grpcio-tools, which the client's build asks for."""
    program = BUILD / "protoc"
    text = f'#!/bin/sh\nexec "{sys.executable}" -m grpc_tools.protoc "$@"\n'
    if not program.exists() or program.read_text() != text:
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    return program


def run(program: Path, name: str, server: Server) -> None:
    """Run one test against a server; fails with its output, skips with its reason."""
    with (
        subprocess.Popen(
            [str(program), "--exact", name, "--nocapture"],
            env=os.environ | {"ETCD_ENDPOINT": f"http://{server.address}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as client,
        dialogue.time_limit(client, TEST_TIMEOUT),
    ):
        output = "".join(dialogue.lines(client, server))
    assert client.returncode == 0, output
    assert "test result: ok. 1 passed" in output, f"{name} did not run:\n{output}"
    skipped = re.search(r"skipped: (.+)", output)
    if skipped:
        pytest.skip(skipped.group(1))
