"""How py-spy is run: what it is asked, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etcdpy.http.pprof.profile import FORMATS, ProfileError, Profiler, find_py_spy
from etcdpy.testing import MovableClock

COLLAPSED, PICTURE = FORMATS["collapsed"], FORMATS["flamegraph"]

#: What every py-spy of these tests begins with: it knows its arguments, and where to write.
BEGINNING = f"""#!{sys.executable} -I
import os, signal, sys
asked = dict(a.lstrip("-").partition("=")[::2] for a in sys.argv[2:])
def write(text):
    with open(asked["output"], "w") as output:
        output.write(text)
"""

#: One that is told to have begun by whoever opens the pipe beside it, and goes on for ever.
ENDLESS = """
def end(*_):
    write("until now 1")
    sys.exit()
signal.signal(signal.SIGINT, end)
with open(sys.argv[0] + ".pipe", "w") as pipe:
    pipe.write(str(os.getpid()))
while True:
    signal.pause()
"""


def profiler(folder: Path, code: str, clock: MovableClock | None = None) -> Profiler:
    """Return one whose py-spy does this."""
    program = folder / "py-spy"
    program.write_text(BEGINNING + code)
    program.chmod(0o700)
    os.mkfifo(f"{program}.pipe")
    return Profiler(clock or MovableClock(), lambda: str(program))


@asynccontextmanager
async def under_way(
    taker: Profiler, folder: Path
) -> AsyncIterator[tuple[asyncio.Task[bytes], int]]:
    """Take a profile for a minute; the block begins once py-spy runs, and is told its number."""
    taking = asyncio.ensure_future(taker.take(60, COLLAPSED))
    pipe = folder / "py-spy.pipe"
    number = await asyncio.get_running_loop().run_in_executor(None, pipe.read_text)
    yield taking, int(number)
    taking.cancel()
    await asyncio.wait([taking])


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


async def test_profile_is_what_py_spy_writes(tmp_path: Path) -> None:
    code = "import json; write(json.dumps(asked))"
    asked = json.loads(await profiler(tmp_path, code).take(7, COLLAPSED))
    assert asked.pop("output").startswith("/dev/fd/")
    assert asked == {
        "pid": str(os.getpid()),
        "duration": "7",
        "format": "raw",
        "threads": "",
        "nonblocking": "",
    }


async def test_py_spy_knows_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")
    told = await profiler(tmp_path, "write(str('SECRET' in os.environ))").take(1, COLLAPSED)
    assert told == b"False"


async def test_picture_has_a_title_for_people(tmp_path: Path) -> None:
    code = """write('<svg><text id="title" x="1">/usr/bin/py-spy record</text></svg>')"""
    told = await profiler(tmp_path, code).take(3, PICTURE)
    assert told == b'<svg><text id="title" x="1">etcdpy, for 3 seconds</text></svg>'


async def test_picture_of_nothing_says_so(tmp_path: Path) -> None:
    code = """
write("<svg>ERROR: No valid input provided to flamegraph</svg>")
sys.exit("Error: Failed to write flamegraph: No stack counts found")
"""
    told = await profiler(tmp_path, code).take(1, PICTURE)
    assert told == b"<svg>Nothing to show: all threads were waiting.</svg>"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.exit('Error: no such thing\\n\\nStack backtrace:\\n 0: main')", "no such thing"),
        (
            "sys.exit('Permission Denied: Try running again with elevated permissions')",
            "the system lets no process read the memory of another (see ptrace(2))",
        ),
        ("os.kill(os.getpid(), signal.SIGKILL)", "py-spy did not end in time"),
    ],
)
async def test_it_is_told_why_there_is_no_profile(tmp_path: Path, code: str, why: str) -> None:
    with pytest.raises(ProfileError) as failed:
        await profiler(tmp_path, code).take(1, COLLAPSED)
    assert str(failed.value) == f"Could not enable CPU profiling: {why}"
    assert not failed.value.is_missing


async def test_without_py_spy_there_is_none() -> None:
    with pytest.raises(ProfileError, match="py-spy is not installed") as failed:
        await Profiler(MovableClock(), lambda: None).take(1, COLLAPSED)
    assert failed.value.is_missing


async def test_program_that_cannot_be_run_is_told_of(tmp_path: Path) -> None:
    taker = Profiler(MovableClock(), lambda: str(tmp_path / "none"))
    for _ in range(2):
        with pytest.raises(ProfileError, match="No such file"):
            await taker.take(1, COLLAPSED)


async def test_there_is_one_at_a_time(tmp_path: Path) -> None:
    taker = profiler(tmp_path, ENDLESS)
    async with under_way(taker, tmp_path):
        with pytest.raises(ProfileError, match="cpu profiling already in use"):
            await taker.take(1, COLLAPSED)


async def test_whoever_leaves_ends_it(tmp_path: Path) -> None:
    taker = profiler(tmp_path, ENDLESS)
    async with under_way(taker, tmp_path) as (taking, number):
        assert is_there(number)
        taking.cancel()
        await asyncio.wait([taking])
        assert not is_there(number)
    async with under_way(taker, tmp_path) as (taking, _):
        assert not taking.done()


async def test_one_that_is_stopped_is_of_the_time_until_then(tmp_path: Path) -> None:
    taker = profiler(tmp_path, ENDLESS)
    async with under_way(taker, tmp_path) as (taking, _):
        taker.stop()
        assert await taking == b"until now 1"
    with pytest.raises(ProfileError, match="the server stops"):
        await taker.take(1, COLLAPSED)


async def test_one_that_is_about_to_begin_can_be_stopped(tmp_path: Path) -> None:
    taker = profiler(tmp_path, "")
    # A signal ends it at once, whatever it is about.
    (tmp_path / "py-spy").write_text("#!/bin/sh\nwhile :; do :; done")
    taking = asyncio.ensure_future(taker.take(60, COLLAPSED))
    await asyncio.sleep(0)
    taker.stop()
    with pytest.raises(ProfileError, match="the server stops"):
        await taking


async def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    clock = MovableClock()
    async with under_way(profiler(tmp_path, ENDLESS, clock), tmp_path) as (taking, number):
        await clock.advance(89)
        assert is_there(number)
        await clock.advance(2)
        with pytest.raises(ProfileError, match="did not end in time"):
            await taking


def test_program_is_that_of_the_package() -> None:
    program = find_py_spy()
    assert program is not None
    assert Path(program).name == "py-spy"


def test_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert find_py_spy() is None
