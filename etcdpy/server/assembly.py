"""Putting a server together: a node, and every service in front of it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from etcdpy.clock import Clock
from etcdpy.concurrency.queues import Queues
from etcdpy.config import Config
from etcdpy.memory import Budget
from etcdpy.node.node import Node
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server.auditing import open_audit_log
from etcdpy.services.registration import Registry, register_all
from etcdpy.storage import Backend
from etcdpy.tables import shrink_tables

if TYPE_CHECKING:  # few want it, and it is imported for these
    from etcdpy.concurrency.v2_locks import V2Locks

__all__ = ["Served", "garbage_left_alone", "open_served"]

#: A collection stops the loop for a third of a microsecond an object. So the young are looked at
#: 5,000 at a time, and those a little older 25,000 at a time: ten thousand calls that wait have ten
#: times that. The oldest generation holds what lives as long as the server, and walking it would
#: stop the loop: it is left alone but for a rare turn. So whatever is made for a call or a stream
#: must not refer to itself once that has ended.
_GC_THRESHOLDS = (5_000, 4, 50_000)


class Served(NamedTuple):
    """
    A node that is open and served.

    Attributes:
        node: What is served.
        queues: Those of its locks and elections; to be abandoned before calls are cut off.
        v2_locks: Those of the v2 API, with ``--enable-v2``.

    """

    node: Node
    queues: Queues
    v2_locks: V2Locks | None = None


@asynccontextmanager
async def open_served(
    config: Config,
    clock: Clock,
    server: Registry,
    slow: SlowRequests,
    backend: Backend | None = None,
    memory: Budget | None = None,
) -> AsyncIterator[Served]:
    """
    Open the node that ``config`` names and register every service on ``server``.

    The block ends when ``server`` has stopped; then the node is closed.

    Args:
        backend: The data directory, if it is open already; see ``Node.open``.
        memory: What clients can have the server hold; see ``Node.open``.

    Raises:
        StorageError: If the data directory cannot be used.
        InvalidConfigError: If a setting cannot be read.

    """
    async with AsyncExitStack() as closing:
        audit = closing.enter_context(open_audit_log(config, clock))
        opening = Node.open(config, clock, slow, audit, backend, memory)
        node = await closing.enter_async_context(opening)
        queues = Queues(node)
        # Pushed behind the node, and so closed before it.
        closing.push_async_callback(queues.close)
        register_all(server, node, queues)
        v2_locks = None
        if node.parts.v2 is not None:
            from etcdpy.concurrency.v2_locks import V2Locks

            v2_locks = V2Locks(node.parts.v2, clock)
            closing.push_async_callback(v2_locks.close)
        served = Served(node, queues, v2_locks)
        _shrink_when_quiet(server, served)
        yield served


def _shrink_when_quiet(server: Registry, served: Served) -> None:
    """Have the tables of a server made small whenever memory is given back."""
    parts = served.node.parts
    # The fields of the log are the loop's alone, which is not so of what it consists of.
    roots = asyncio.get_running_loop(), server, served, parts.store.log
    # What waited for a checkpoint has had it by then, and is in no table any more.
    parts.memory.on_trim = partial(shrink_tables, *roots)


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """
    Collect no garbage in the block: filling a store makes a lot of objects, and no garbage.

    What is there then is never looked at again. For processes that are a server's alone.
    """
    gc.disable()
    try:
        yield
        # Nothing of what start-up has made is ever garbage: no collection need look at it.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
    finally:
        gc.enable()
