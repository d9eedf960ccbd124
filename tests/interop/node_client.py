"""Installs npm's etcd3 and runs the promises in ``node/``, which drive a server with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.interop import ROOT

SOURCES = Path(__file__).with_name("node")
DIRECTORY = ROOT / "build" / "interop-node"
MANIFESTS = ("package.json", "package-lock.json")

OLDEST_NODE = 18

INSTALL_TIMEOUT = 180.0

_PROMISE = re.compile(r'^(promise\w*)\("(.+?)",', re.MULTILINE)

# What a session asks for, by the line it writes.
Commands = Mapping[str, Callable[[], None]]


def names() -> list[str]:
    """Return the promises that one server can be asked to keep, in their order."""
    return _declared("promise")


def names_across_restarts() -> list[str]:
    """Return those for which the server is killed and started."""
    return _declared("promiseAcrossRestarts")


def _declared(kind: str) -> list[str]:
    sources = [path.read_text() for path in sorted(SOURCES.glob("*.promises.js"))]
    found = [match for source in sources for match in _PROMISE.findall(source)]
    return [name for how, name in found if how == kind]


def install(sources: Path = SOURCES, directory: Path = DIRECTORY) -> None:
    """
    Install what package-lock.json names, once, or skip where that cannot be done.

    Args:
        sources: Where that file is.
        directory: Where to.

    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node, or no npm, on this machine")
    _require_node()
    wanted = "".join(sources.joinpath(name).read_text() for name in MANIFESTS)
    stamp = directory / "complete"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in MANIFESTS:
        shutil.copy(sources / name, directory)
    _npm(directory, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    stamp.write_text(wanted)


def _require_node() -> None:
    told = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    version = re.match(r"v(\d+)\.", told)
    if version is None or int(version.group(1)) < OLDEST_NODE:
        pytest.skip(f"the session needs Node {OLDEST_NODE}, and this is {told.strip() or 'none'}")


def _npm(directory: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(
            ["npm", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm's packages cannot be had: npm took over {INSTALL_TIMEOUT} s")
    if done.returncode:
        pytest.skip(f"npm's packages cannot be had: {done.stderr.strip()[-500:]}")


def run(address: str, *chosen: str, commands: Commands | None = None) -> dict[str, str | None]:
    """Return how each promise failed, or None for those that were kept.

    Args:
        address: ``http://host:port`` of the server.
        chosen: The one promise to run; without it all that need no restart.
        commands: What to do when a promise asks for it.
    """
    results: dict[str, str | None] = {}
    # A proxy set for the machine is not for 127.0.0.1.
    environment = {"NODE_PATH": str(DIRECTORY / "node_modules"), "NO_PROXY": "127.0.0.1"}
    output = ""
    with subprocess.Popen(
        ["node", str(SOURCES / "session.js"), address, *chosen],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        for line in session.stdout:
            if commands and line.strip() in commands:
                commands[line.strip()]()
                session.stdin.write("\n")
                session.stdin.flush()
            elif line.startswith('{"promise":'):
                result = json.loads(line)
                results[result["promise"]] = result["failure"]
            else:
                output += line
    assert session.returncode == 0, output
    return results
