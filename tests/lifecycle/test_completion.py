"""Shells complete what the command has, typed at a terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminal import Terminal

SHELLS = ("bash", "zsh", "fish")

#: How a shell is started with nothing of the user's, and what it is told first.
AT_A_TERMINAL = {
    "bash": (["--norc", "--noprofile", "-i"], "source {script}"),
    "zsh": (["-f", "-i"], "autoload -Uz compinit; compinit -u -D; source {script}"),
}

#: What is typed, and what stands there when Tab has been pressed.
TYPED = {
    "etcdpy snaps": "etcdpy snapshot ",
    "etcdpy snapshot re": "etcdpy snapshot restore ",
    "etcdpy --log-f": "etcdpy --log-format",
    "etcdpy --log-format cons": "etcdpy --log-format console ",
    "etcdpy --log-format=cons": "etcdpy --log-format=console ",
    "etcdpy --enable-v2=f": "etcdpy --enable-v2=false ",
    "etcdpy --data-dir some": "etcdpy --data-dir some-data/",
    "etcdpy snapshot save --endp": "etcdpy snapshot save --endpoints",
    "etcdpy test-server --cont": "etcdpy test-server --control",
    "etcdpy completion f": "etcdpy completion fish ",
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the script for each shell."""
    directory = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        with (directory / shell).open("w") as script:
            subprocess.run(
                [sys.executable, "-m", "etcdpy", "completion", shell], stdout=script, check=True
            )
    return directory


@pytest.mark.parametrize("shell", AT_A_TERMINAL)
def test_tab_completes_commands_flags_and_values(shell: str, scripts: Path, tmp_path: Path) -> None:
    program = find(shell)
    (tmp_path / "some-data").mkdir()
    arguments, setup = AT_A_TERMINAL[shell]
    quiet = {"TERM": "dumb", "HOME": str(tmp_path), "INPUTRC": "/dev/null", "PS1": "$ "}
    with Terminal(*arguments, program=program, environment=quiet, cwd=tmp_path) as person:
        person.type(setup.format(script=scripts / shell) + "\n")
        for typed, completed in TYPED.items():
            person.type(f"{typed}\t")
            person.wait_for(completed)
            person.type("\x15")
        person.type("exit\n")
        person.wait()


def test_fish_offers_the_same(scripts: Path, tmp_path: Path) -> None:
    program = find("fish")
    (tmp_path / "some-data").mkdir()
    asked = "".join(f"complete -C '{typed}'; echo ---;" for typed in TYPED)
    words = [program, "--no-config", "-c", f"source {scripts / 'fish'}; {asked}"]
    ended = subprocess.run(words, capture_output=True, check=True, text=True, cwd=tmp_path)
    offers = [part.split() for part in ended.stdout.split("---\n")]
    last_words = {typed: completed.split()[-1] for typed, completed in TYPED.items()}
    # A flag without a value takes none in fish either.
    del last_words["etcdpy --enable-v2=f"]
    for typed, offer in zip(TYPED, offers, strict=False):
        if typed in last_words:
            assert offer[0] == last_words[typed], typed


def find(shell: str) -> str:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    return program


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_takes_its_script_without_a_word(shell: str, scripts: Path) -> None:
    ended = subprocess.run([find(shell), "-n", scripts / shell], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
