"""
SIGTERM and SIGINT: caught once to drain, then allowed to end the process.

A process that ends itself by the signal it was sent tells its parent so, where exit status 0
would claim that it had nothing more to do. (etcd: ``pkg/osutil``, ``HandleInterrupts``)

"""

from __future__ import annotations

import asyncio
import os
import signal

__all__ = ["NAMES", "end_by", "first_signal"]

#: The signals that shut the server down, with the words Go has for them.
NAMES = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupt"}


def first_signal() -> asyncio.Future[signal.Signals]:
    """Return a future for the first SIGTERM or SIGINT from now on; later ones are ignored."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[signal.Signals] = loop.create_future()

    def arrive(number: signal.Signals) -> None:
        if not arrived.done():
            arrived.set_result(number)

    for number in NAMES:
        # On the loop, and so between two callbacks: no step is cut in two.
        loop.add_signal_handler(number, arrive, number)
    return arrived


def end_by(number: signal.Signals) -> int:
    """
    End the process by ``number``; returns 0 only as process 1, which signals cannot end.

    What is still buffered is lost: write it first.

    """
    # kill(2): process 1 is sent only what it has a handler for.
    if os.getpid() != 1:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 0
