"""
What a process inherits from whoever started it, made what a server needs.

Which signals it hears and which end it is then as with etcd, whose state Go's runtime makes: what
nobody asks for is ignored, except what tells of a fault or a terminal. (Go: ``os/signal``,
``runtime/sigtab_linux_generic.go``)
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

__all__ = ["take_over"]

#: Signals that end a process unless somebody asks for them, and end no process of Go's. Not all
#: systems have all of them.
_IGNORED = ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGXCPU")

_STOPPING = (signal.SIGTERM, signal.SIGINT)
#: What a process starts with; other handlers somebody has wanted.
_NOBODYS = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)


def take_over() -> None:
    """
    Put standard streams and signals in order. Before anything is opened; main thread only.

    What else is inherited, such as limits, priority and umask, is the operator's to say.

    """
    _open_standard_streams()
    _take_signals()


def _open_standard_streams() -> None:
    """
    Open those that are closed on the null device.

    The next files to be opened would be them otherwise: a log line would be written to a
    connection, and libuv does not close what has such a number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest number that is free; those below are open by now.
            with contextlib.suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
                setattr(sys, name, stream)


def _take_signals() -> None:
    for name in _IGNORED:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "SIGRTMIN"):
        # Go leaves the first of them to the C library.
        for real_time in range(signal.SIGRTMIN + 1, signal.SIGRTMAX + 1):
            signal.signal(real_time, signal.SIG_IGN)
    # Until serving starts they just end the process, SIGINT without Python's traceback. In a
    # container it is process 1, which is sent only what it has a handler for. (kill(2))
    ending = _end_at_once if os.getpid() == 1 else signal.SIG_DFL
    for number in _STOPPING:
        if signal.getsignal(number) in _NOBODYS:
            signal.signal(number, ending)
    # Last: one that has been waiting ends the process here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _end_at_once(number: int, _: object) -> None:
    # As a shell tells it, as the signal itself ends nothing.
    os._exit(128 + number)
