"""h2spec, the conformance suite for HTTP/2 servers, run where Go can build it."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, EchoServer

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.6.0"
CACHE = ROOT / "build" / "h2spec"
CASES = 146
"""The suite has 146 cases, and one more in strict mode."""


def find_h2spec() -> Path:
    """Return the program, building it once if there is Go, or skip."""
    for found in (shutil.which("h2spec"), Path.home() / "go" / "bin" / "h2spec", CACHE / "h2spec"):
        if found and Path(found).is_file():
            return Path(found)
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        pytest.skip("neither h2spec nor Go to build it is installed")
    env = os.environ | {"GOBIN": str(CACHE), "GOFLAGS": "-mod=mod"}
    try:
        built = subprocess.run(
            [go, "install", MODULE], env=env, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"go install {MODULE} took over 120 s")
    if built.returncode:
        pytest.skip(f"go install {MODULE} failed: {built.stderr[-300:]}")
    return CACHE / "h2spec"


def run_h2spec(server: EchoServer, report: Path, *options: str) -> None:
    """Run all cases and check that each of them ran and passed."""
    command = [str(find_h2spec()), "-h", "127.0.0.1", "-p", str(server.port), "-P", "/health"]
    command += ["-S", "-o", "2", "-j", str(report), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    suites = list(ElementTree.parse(report).getroot())
    cases = [case for suite in suites for case in suite.iter("testcase")]
    failed = [case.attrib for case in cases if case.find("failure") is not None]
    skipped = [case.attrib for case in cases if case.find("skipped") is not None]
    assert not failed, ran.stdout[-6000:]
    assert ran.returncode == 0
    assert len(cases) >= CASES
    assert not skipped


# Without an advertised limit on streams, case 5.1.2 tries to open 2^32 of them.


def test_h2spec_finds_no_failure(start_server: Callable[..., EchoServer], tmp_path: Path) -> None:
    run_h2spec(start_server(max_concurrent_streams=100), tmp_path / "report.xml")


def test_h2spec_finds_no_failure_over_tls(
    start_server: Callable[..., EchoServer], certificate: str, tmp_path: Path
) -> None:
    server = start_server(max_concurrent_streams=100, certificate=certificate)
    run_h2spec(server, tmp_path / "report.xml", "-t", "-k")
