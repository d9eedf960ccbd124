"""Builds and runs the tests in ``go/``, which drive a server with etcd's own Go client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.interop import ROOT

MODULE = Path(__file__).with_name("go")
PROGRAM = ROOT / "build" / "interop-go" / "client.test"

BUILD_TIMEOUT = 300.0
TEST_TIMEOUT = 60.0

# They wait for their server to be restarted, so they are run in a way of their own.
RECONNECTIONS = ("TestReconnection", "TestWatchReconnection")
STOPS = ("TestLeaseAndWatchOutliveAStop",)

_KUBERNETES = "kubernetes_*_test.go"
_AUTH = "auth_*_test.go"
_V2 = "v2_*_test.go"
_TEST = re.compile(r"^func (Test\w+)\(t \*testing\.T\)", re.MULTILINE)


def names() -> list[str]:
    """Return the tests there are, but for those that want a server of their own kind."""
    others = _tests(_KUBERNETES) | _tests(_AUTH) | _tests(_V2) | {*RECONNECTIONS, *STOPS}
    return sorted(_tests("*_test.go") - others)


def kubernetes_names() -> list[str]:
    """Return the tests that use a server as Kubernetes does."""
    return sorted(_tests(_KUBERNETES))


def v2_names() -> list[str]:
    """Return the tests of the client of v2."""
    return sorted(_tests(_V2))


def session_names() -> list[str]:
    """Return the tests that log in: they want ``ETCD_TOKENS``, which is ``simple`` or ``jwt``."""
    return sorted(_tests("auth_session_test.go"))


def expiry_names() -> list[str]:
    """Return the tests that outlive their tokens: they want ``ETCD_TOKEN_TTL``, in seconds."""
    return sorted(_tests("auth_expiry_test.go"))


def certificate_names() -> list[str]:
    """Return the tests that show certificates: they want ``ETCD_OTHER_CERT`` and its key, too."""
    return sorted(_tests("auth_certificate_test.go"))


def _tests(files: str) -> set[str]:
    sources = [path.read_text() for path in MODULE.glob(files)]
    return {name for source in sources for name in _TEST.findall(source)}


def build() -> None:
    """Make the program, or skip where there is no Go or its modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("there is no go on this machine")
    modules = _go("mod", "download")
    if modules.returncode:
        pytest.skip(f"the Go modules cannot be had: {modules.stderr.strip()[-500:]}")
    # Another worker may be building it, or running it, at this moment.
    fresh = PROGRAM.with_suffix(f".{os.getpid()}")
    built = _go("test", "-c", "-o", str(fresh), ".")
    assert built.returncode == 0, built.stderr
    fresh.replace(PROGRAM)


def _go(*arguments: str) -> subprocess.CompletedProcess[str]:
    # -mod=readonly: a missing line in go.sum is to fail here, not to be written.
    flags = {"GOFLAGS": "-mod=readonly -buildvcs=false"}
    return subprocess.run(
        ["go", *arguments],
        cwd=MODULE,
        env=os.environ | flags,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT,
    )


def run(name: str, endpoint: str, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """
    Run one test against ``endpoint``; skips with its reason, fails with its output.

    Args:
        name: Which.
        endpoint: The server.
        variables: What else the test is told, such as what the server is reached with over TLS:
            ``ETCD_CACERT``, ``ETCD_CERT`` and ``ETCD_KEY``, all files.

    """
    output = _run(name, {"ETCD_ENDPOINT": endpoint, **variables}, lambda: None)
    if f"--- SKIP: {name} " in output:
        pytest.skip(_reason(output))


def run_with_restart(name: str, endpoint: str, restart: Callable[[], None]) -> None:
    """Run a test about reconnection, calling ``restart`` when it asks for that."""
    _run(name, {"ETCD_ENDPOINT": endpoint, "ETCD_RESTARTS": "1"}, restart)


def _run(name: str, variables: dict[str, str], restart: Callable[[], None]) -> str:
    # A proxy set for the machine is not for 127.0.0.1.
    environment = os.environ | {"NO_PROXY": "127.0.0.1"} | variables
    limit = f"-test.timeout={TEST_TIMEOUT:.0f}s"
    with subprocess.Popen(
        [str(PROGRAM), "-test.v", f"-test.run=^{name}$", limit],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        output = ""
        for line in client.stdout:
            output += line
            if line == "restart the server\n":
                restart()
                client.stdin.write("\n")
                client.stdin.flush()
    assert client.returncode == 0, output
    ran = re.search(rf"^--- (PASS|SKIP): {name} ", output, re.MULTILINE)
    assert ran, f"{name} did not run:\n{output}"
    return output


def _reason(output: str) -> str:
    told = re.search(r"^\s+\w+_test\.go:\d+: (.+)$", output, re.MULTILINE)
    return told.group(1) if told else output
