"""Builds and runs what is in ``java/``, which drives a server with jetcd.

A Java machine takes longer to start than most of its tests to run, so one runs them all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop import ROOT, dialogue
from tests.support.servers import Server

SOURCES = Path(__file__).with_name("java")
BUILD = ROOT / "build" / "interop-java"

TOOLS = ("mvn", "javac", "java")
OLDEST_JAVA = 17

DOWNLOAD_TIMEOUT = 180.0
COMPILE_TIMEOUT = 120.0
TEST_TIMEOUT = 90.0

# They have their server killed or restarted, so they are run in a way of their own.
_RESTARTS = "Restarts"

_PROMISE = re.compile(r"^    @Promise\n    static void (\w+)\(Space s\)", re.MULTILINE)


def names(*, restarts: bool) -> list[str]:
    """Return the tests there are: those about restarts, or all others."""
    return [
        f"{path.stem}.{name}"
        for path in sorted(SOURCES.glob("src/interop/*.java"))
        if (path.stem == _RESTARTS) is restarts
        for name in _PROMISE.findall(path.read_text())
    ]


def build() -> str:
    """Compile the program and return its class path, or skip where something is missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"there is no {', no '.join(missing)} on this machine")
    version = _run("javac", "-version", timeout=COMPILE_TIMEOUT)
    number = re.search(r"javac (\d+)", version.stdout + version.stderr)
    if number is None or int(number.group(1)) < OLDEST_JAVA:
        pytest.skip(f"jetcd is tested with Java {OLDEST_JAVA} or newer: {version.stdout.strip()}")
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    path = f"{BUILD}{os.pathsep}{_libraries()}"
    sources = map(str, sorted(SOURCES.glob("src/interop/*.java")))
    flags = ("--release", str(OLDEST_JAVA), "-d", str(BUILD), "-cp", path)
    compiled = _run("javac", *flags, *sources, timeout=COMPILE_TIMEOUT)
    assert compiled.returncode == 0, compiled.stderr
    return path


def _libraries() -> str:
    output = BUILD / "class-path"
    goal = ("dependency:build-classpath", f"-Dmdep.outputFile={output}")
    try:
        found = _run("mvn", "--batch-mode", "--quiet", *goal, timeout=DOWNLOAD_TIMEOUT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"jetcd cannot be had within {DOWNLOAD_TIMEOUT:.0f} s")
    if found.returncode:
        pytest.skip(f"jetcd cannot be had: {found.stdout.strip()[-500:]}")
    return output.read_text().strip()


def _run(*command: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, timeout=timeout)


class Session:
    """A running program that checks one promise after another against one server."""

    def __init__(self, class_path: str, server: Server) -> None:
        self._server = server
        # What would make the machine faster in the long run makes it slower in this one.
        flags = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        self._process = subprocess.Popen(
            ["java", *flags, "-cp", class_path, "interop.Session"],
            env=os.environ | {"ETCD_ENDPOINT": f"http://{server.address}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def check(self, name: str) -> None:
        """Run one test; fails with its output."""
        assert self._process.poll() is None, "the program has ended"
        output = ""
        with dialogue.time_limit(self._process, TEST_TIMEOUT):
            dialogue.say(self._process, name)
            for line in dialogue.lines(self._process, self._server):
                if line == "kept\n":
                    return
                output += line
                if line == "broken\n":
                    break
        pytest.fail(output)

    def close(self) -> None:
        """End the program, which has no more to do once there is nothing to read."""
        try:
            self._process.communicate(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.communicate()
