"""A release has all that there is, installs where nothing is, and does there what README says."""

from __future__ import annotations

import email
import os
import re
import signal
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.version import __version__
from tests.interop.environment import outside
from tests.lifecycle.process import SERVING
from tests.package.building import ROOT, Built, build, install
from tests.support.ports import free_port
from tests.support.servers import reference_binary

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def python(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what it needs."""
    return install(built.wheel, tmp_path_factory.mktemp("environment") / "venv")


def test_wheel_has_every_file_of_the_package(built: Built) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "etcdpy").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources
    assert "etcdpy/py.typed" in names


def test_metadata_has_the_extras_and_the_pythons(built: Built) -> None:
    assert built.wheel.name == f"etcdpy-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(built.wheel) as wheel:
        (place,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(wheel.read(place))
        points = wheel.read(place.replace("METADATA", "entry_points.txt")).decode()
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"pytest", "pprof"} <= set(metadata.get_all("Provides-Extra", []))
    assert points.split() == [
        "[console_scripts]", "etcdpy", "=", "etcdpy.__main__:main",
        "[pytest11]", "etcdpy", "=", "etcdpy.testing.plugin",
    ]  # fmt: skip


def test_sdist_has_what_others_need_to_build_and_to_read(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "docs/configuration.md"} <= names
    # The generated modules' own source is there, too.
    assert {"proto/generate.py", "pyproject.toml"} <= names


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["--bogus"], ["snapshot"]])
def test_command_and_module_are_alike(python: Path, tmp_path: Path, arguments: list[str]) -> None:
    def said(*command: str | Path) -> tuple[int, str, str]:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, env=outside()
        )
        return done.returncode, done.stdout, done.stderr

    assert said(python.with_name("etcdpy")) == said(python, "-m", "etcdpy")


@pytest.fixture(params=["command", "module"])
def endpoint(request: pytest.FixtureRequest, python: Path, tmp_path: Path) -> Iterator[str]:
    """A server that was installed, until SIGTERM ends it; its directory has nothing of ours."""
    command = (
        [python.with_name("etcdpy")] if request.param == "command" else [python, "-m", "etcdpy"]
    )
    address = f"127.0.0.1:{free_port()}"
    urls = [f"--{kind}-client-urls=http://{address}" for kind in ("listen", "advertise")]
    with subprocess.Popen(
        [*command, *urls], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=outside()
    ) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if SERVING in line:
                    break
            else:
                raise AssertionError("".join(lines))
            yield address
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGTERM
            assert (tmp_path / "default.etcd" / "member").is_dir()
        finally:
            process.kill()


def test_first_lines_of_readme_run(endpoint: str) -> None:
    etcdctl = reference_binary("etcdctl")
    (block,) = [block for block in blocks("console") if block.startswith("$ etcdctl put")]
    variables = {
        "ETCDCTL_ENDPOINTS": endpoint, "ETCDCTL_API": "3", "PATH": f"{etcdctl.parent}:{os.defpath}"
    }  # fmt: skip
    for command, expected in commands(block):
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env=variables, timeout=60
        )
        assert done.returncode == 0, done.stderr
        if expected:
            assert done.stdout.strip() == expected.strip()
    with urllib.request.urlopen(f"http://{endpoint}/readyz", timeout=60) as reply:
        assert reply.read() == b"ok\n"


def test_dashboard_that_was_installed_is_whole(endpoint: str) -> None:
    root = f"http://{endpoint}/mod/dashboard/"
    static = ROOT / "etcdpy" / "http" / "dashboard" / "static"
    for path in static.rglob("*"):
        if path.is_file() and path.name != "index.html":
            address = f"{root}static/{path.relative_to(static)}"
            with urllib.request.urlopen(address, timeout=60) as reply:
                assert reply.read() == path.read_bytes()
    with urllib.request.urlopen(root, timeout=60) as reply:
        assert b"<html" in reply.read()


def test_first_test_of_readme_is_green(python: Path, tmp_path: Path) -> None:
    (block,) = [block for block in blocks("python") if "def test_leader_steps_down" in block]
    (tmp_path / "test_app.py").write_text(f"{APP}\n\n{block}")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, cwd=tmp_path, env=outside(), timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


#: The application of README's test, with nothing but what Python has.
APP = """
import base64, json, urllib.request


class MyApp:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def ask(self, path, **body):
        request = urllib.request.Request(
            f"http://{self.endpoint}/v3/{path}", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def become_leader(self, ttl):
        lease = self.ask("lease/grant", TTL=ttl)["ID"]
        self.ask("kv/put", key=KEY, value=KEY, lease=lease)

    @property
    def is_leader(self):
        return "kvs" in self.ask("kv/range", key=KEY)


KEY = base64.b64encode(b"leader").decode()
"""


def blocks(language: str) -> list[str]:
    """The blocks of README in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, and what it shows of their output."""
    parts = block.removeprefix("$ ").split("\n$ ")
    return [(first, rest) for first, _, rest in (part.partition("\n") for part in parts)]
