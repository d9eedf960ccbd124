"""
Profiles of this process, which py-spy takes from outside.

py-spy is a program that reads the stacks of another process's threads from its memory, a hundred
times a second, while that goes on. A thread of our own could not: it sees others only where they
let go of the interpreter, which the loop's does at the end of a callback, when nothing is left of
what took the time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from etcdpy.clock import Clock

__all__ = ["FORMATS", "MOST_SECONDS", "Format", "ProfileError", "Profiler", "find_py_spy"]

#: As long as anybody looks at one; each second adds a few kilobytes to it at most.
MOST_SECONDS: Final = 600

#: Seconds beyond its time after which py-spy is given up. It is late where it cannot keep up.
_LATE: Final = 30.0

#: What py-spy says where all threads have waited all the time, and has no picture of then.
_NOTHING_SEEN: Final = b"No stack counts found"
#: What the picture says then.
_EMPTY_PICTURE: Final = b"ERROR: No valid input provided to flamegraph"
_TITLE: Final = re.compile(rb'(<text id="title"[^>]*>)[^<]*')

_STOPPING: Final = "the server stops"

#: (linux/prctl.h)
_PR_SET_PTRACER: Final = 0x59616D61


@dataclass(frozen=True)
class Format:
    """
    What a profile may look like.

    Attributes:
        name: py-spy's name for it.
        content_type: What HTTP calls it.

    """

    name: str
    content_type: bytes


FORMATS: Final = {
    # A line for each stack, from the outermost call on, with the number of its samples.
    "collapsed": Format("raw", b"text/plain; charset=utf-8"),
    "flamegraph": Format("flamegraph", b"image/svg+xml"),
    "speedscope": Format("speedscope", b"application/json"),
}


class ProfileError(Exception):
    """
    There is no profile, and the text says why.

    Attributes:
        is_missing: Whether that is for want of py-spy.

    """

    def __init__(self, why: str, *, is_missing: bool = False) -> None:
        # (Go: net/http/pprof, ``Profile``)
        super().__init__(f"Could not enable CPU profiling: {why}")
        self.is_missing = is_missing


def find_py_spy() -> str | None:
    """Return the program that the package py-spy has installed, None without one."""
    try:
        installed = files("py-spy") or ()
    except PackageNotFoundError:
        return None
    for path in installed:
        program = Path(str(path.locate()))
        if program.stem == "py-spy" and os.access(program, os.X_OK):
            return str(program.resolve())
    return None


class Profiler:
    """
    Takes one profile at a time.

    Args:
        clock: Says when one has taken too long.
        find: Returns the path of py-spy.

    """

    def __init__(self, clock: Clock, find: Callable[[], str | None] = find_py_spy) -> None:
        self._clock = clock
        self._find = find
        self._is_busy = False
        self._is_stopped = False
        self._process: Process | None = None

    async def take(self, seconds: int, form: Format) -> bytes:
        """
        Return a profile of what all threads do from now on, but of those that wait.

        Cancelling it ends the sampling.

        Args:
            seconds: How long to look, at most ``MOST_SECONDS``.
            form: What is returned.

        Raises:
            ProfileError: There is one under way, no py-spy, or nothing that it may look at.

        """
        with self._alone():
            program = self._find()
            if program is None:
                raise ProfileError("py-spy is not installed", is_missing=True)
            _let_children_look()
            try:
                with TemporaryFile() as output:
                    command = _command(program, seconds, form, output.fileno())
                    await self._run(command, output.fileno(), seconds + _LATE)
                    output.seek(0)
                    return _titled(output.read(), seconds)
            except OSError as error:
                raise ProfileError(str(error)) from error

    def stop(self) -> None:
        """Take no more profiles, and end the one under way: it is of the time until now."""
        self._is_stopped = True
        if self._process is not None:
            _interrupt(self._process)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._is_busy:
            raise ProfileError("cpu profiling already in use")
        if self._is_stopped:
            raise ProfileError(_STOPPING)
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    async def _run(self, command: list[str], descriptor: int, most: float) -> None:
        """Run py-spy to its end, which is there after ``most`` seconds at the latest."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            pass_fds=(descriptor,),
            env={},
            # A Ctrl-C is the server's to deal with.
            start_new_session=True,
        )
        self._process = process
        if self._is_stopped:  # while it was about to begin
            _interrupt(process)
        late = self._clock.wake_after(most, process.kill)
        try:
            _, said = await process.communicate()
        finally:
            late.cancel()
            self._process = None
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == -signal.SIGINT:  # it was not ready for that
            raise ProfileError(_STOPPING)
        if process.returncode and _NOTHING_SEEN not in said:
            raise ProfileError(_reason(said.decode(errors="replace")))


def _interrupt(process: Process) -> None:
    """Have py-spy write what it has seen until now."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)


def _command(program: str, seconds: int, form: Format, descriptor: int) -> list[str]:
    """Return what takes a profile of this process and writes it to a descriptor."""
    return [
        program,
        "record",
        f"--pid={os.getpid()}",
        f"--duration={seconds}",
        f"--format={form.name}",
        f"--output=/dev/fd/{descriptor}",
        "--threads",
        # It reads while we go on, and leaves out the samples that do not fit together, a few in a
        # hundred. Being stopped for each sample instead costs a fifth of the Puts.
        "--nonblocking",
    ]


def _titled(profile: bytes, seconds: int) -> bytes:
    """Return a profile whose picture, if it is one, is named by more than py-spy's command line."""
    profile = profile.replace(_EMPTY_PICTURE, b"Nothing to show: all threads were waiting.")
    return _TITLE.sub(rb"\g<1>etcdpy, for %d seconds" % seconds, profile, count=1)


def _reason(said: str) -> str:
    """Return why py-spy has failed, from what it said."""
    first = said.strip().partition("\n")[0].removeprefix("Error: ")
    if first.startswith("Permission Denied"):
        return "the system lets no process read the memory of another (see ptrace(2))"
    return first or "py-spy did not end in time"


def _let_children_look() -> None:
    """
    Allow our own children to read our memory.

    Without it Yama, where ``kernel.yama.ptrace_scope`` is 1, lets only parents do so. (prctl(2))
    """
    if sys.platform == "linux":
        # Where there is no Yama it is refused, and nothing is missing.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, os.getpid(), 0, 0, 0)
