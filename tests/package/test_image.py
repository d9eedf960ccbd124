"""What the Containerfile says of the server is true of it, whether an image can be built or not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from etcdpy.config import Config, load
from tests.lifecycle.process import PORT_0, Process
from tests.package.building import ROOT

#: Its instructions, each in one line.
CONTAINERFILE = (ROOT / "Containerfile").read_text().replace("\\\n", "")


def instruction(word: str) -> str:
    """What the last such instruction says."""
    found: list[str] = re.findall(rf"^{word} +(.*)$", CONTAINERFILE, re.MULTILINE)
    return found[-1]


def flags() -> list[str]:
    words: list[str] = json.loads(instruction("CMD"))
    return words


def test_flags_of_the_image_are_taken_and_the_port_is_the_one_that_is_exposed() -> None:
    config = load(flags(), {}, lambda *_: None)
    assert isinstance(config, Config)
    (url,) = config.listen_client_urls
    assert url.host_port == ("0.0.0.0", instruction("EXPOSE"))
    assert json.loads(instruction("ENTRYPOINT")) == ["etcdpy"]


def test_user_is_an_ordinary_one_and_owns_the_volume() -> None:
    assert instruction("USER") == "2379:2379"
    assert instruction("VOLUME") == instruction("WORKDIR")
    assert f"--owner=2379 --group=2379 --mode=0700 {instruction('VOLUME')}" in CONTAINERFILE
    # Nothing behind it is done as root.
    assert "RUN" not in CONTAINERFILE.partition("\nUSER ")[2]


def test_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    options, _, words = instruction("HEALTHCHECK").partition("CMD ")
    assert "--timeout=5s" in options
    python, *command = json.loads(words)
    assert python == "python"

    def check(address: str) -> int:
        # A proxy of the machine's that nobody is behind.
        variables = {
            "ETCDPY_HEALTH_URL": f"http://{address}/health",
            "http_proxy": "http://[::1]:9",
        }
        done = subprocess.run([sys.executable, *command], env=variables, capture_output=True)
        return done.returncode

    with Process("--data-dir", tmp_path / "data", *PORT_0) as server:
        (address,) = server.wait_ready()
        assert check(address) == 0
    assert check(address) == 1


def test_image_is_made_of_what_there_is() -> None:
    ignored = (ROOT / ".containerignore").read_text()
    # Podman and Docker each read their own.
    assert (ROOT / ".dockerignore").read_text() == ignored
    taken = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    assert taken == {"etcdpy", "pyproject.toml", "requirements-dev.txt", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in taken)
