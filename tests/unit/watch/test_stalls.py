"""
Much to send does not hold up the loop.

The bound is generous; what is sent here takes, in one go, hundreds of milliseconds. (Measured on
two busy cores: 1 to 5 ms.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from etcdpy.cooperative import Steps
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.writer import Writer
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage import Batch
from etcdpy.watch import Hub, Watcher, WatchStream
from etcdpy.watch.states import WatcherState
from etcdpy.watch.watcher import FRAGMENTS, NO_PUTS, PREVIOUS
from tests.unit.mvcc.real_log import fill, opened_store
from tests.unit.mvcc.stalls import TRIES, probed

KEYS = 60_000
BOUND = 0.025
FRAGMENT_BYTES = 500_000


class Sink:
    """A stream whose client reads everything; what it is sent is kept as it comes."""

    def __init__(self, hub: Hub) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.stream = WatchStream(hub, FRAGMENT_BYTES, self, self._wake)
        self._draining: asyncio.Task[None] | None = None

    def try_write(self, start: bytes, body: bytes) -> bool:
        self.sent.append((start, body))
        return True

    def joined(self, responses: list[tuple[bytes, bytes]]) -> bytes:
        return b""

    def try_write_joined(self, joined: bytes) -> bool:
        return False

    def flush(self) -> None:
        return

    async def write(self, start: bytes, body: bytes) -> None:
        self.try_write(start, body)

    async def room(self) -> None:
        return

    def _wake(self) -> None:
        self._draining = asyncio.get_running_loop().create_task(
            self.stream.output.drain(lambda: None)
        )

    def watch(self, start: bytes, stop: bytes | None, since: int = 0, **options: Any) -> Watcher:
        watcher = Watcher(self.stream, self.stream.free_id(), start, stop, since)
        for name, value in options.items():
            setattr(watcher, name, value)
        self.stream.create(watcher)
        return watcher

    def responses(self) -> list[pb.WatchResponse]:
        """Return what was sent, but for the confirmations."""
        sent = [pb.WatchResponse.FromString(start + body) for start, body in self.sent]
        return [response for response in sent if not response.created]


class Large:
    """A store of ``KEYS`` keys, and its hub."""

    def __init__(self, store: Store, hub: Hub, batches: list[Batch]) -> None:
        self.store = store
        self.hub = hub
        self._batches = batches

    async def delete(self, number: int) -> Batch:
        """Delete so many keys in one revision; return the batch."""
        sequence = await Writer(self.store).write(self._delete(number))
        # On a slow machine it may be durable before anyone asks.
        if durable := self.store.log.until(sequence):
            await durable
        return self._batches[-1]

    def _delete(self, number: int) -> Steps[int]:
        changes = self.store.begin()
        yield from changes.delete_all([b"k%08d" % key for key in range(number)])
        return changes.commit()

    async def notified(self) -> None:
        """Wait until everyone has been sent everything."""
        if passed := self.hub.passed():
            await passed
        while not self.hub.is_idle:  # noqa: ASYNC110 - what is waited for is a turn
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def stores(tmp_path: Path) -> AsyncIterator[AsyncIterator[Large]]:
    """Yield new stores, a few: for another try."""
    found = _larges(tmp_path)
    yield found
    await found.aclose()


async def _larges(folder: Path) -> AsyncGenerator[Large, None]:
    for number in range(TRIES):
        batches: list[Batch] = []
        path = folder / str(number)
        path.mkdir()
        async with opened_store(path, batches.append) as (store, log):
            hub = Hub(store, log, Headers(1, 2, 3), asyncio.get_running_loop())
            await fill(store, KEYS)
            await log.checkpoint()
            try:
                yield Large(store, hub, batches)
            finally:
                await hub.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def deleted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Large]:
    """A store in which all keys were deleted in its last revision."""
    async with aclosing(_larges(tmp_path_factory.mktemp("deleted"))) as stores:
        async for large in stores:
            await large.delete(KEYS)
            yield large
            break


WATCHES: dict[str, Callable[[Sink], Watcher]] = {
    "a prefix": lambda sink: sink.watch(b"k", b"l"),
    "with what was before": lambda sink: sink.watch(b"k", b"l", wishes=PREVIOUS),
    "in fragments": lambda sink: sink.watch(b"k", b"l", wishes=FRAGMENTS),
    "deletes only": lambda sink: sink.watch(b"k", b"l", wishes=NO_PUTS),
    "a range": lambda sink: sink.watch(b"k0", b"k00030000"),
    "some other key": lambda sink: sink.watch(b"other", b"other\0"),
}

#: Events of these, where the others have one for each key.
EXPECTED = {"a range": KEYS // 2, "some other key": 0}


@pytest.mark.parametrize("kind", WATCHES)
async def test_notifying_of_a_large_revision_lets_others_run(
    stores: AsyncIterator[Large], kind: str
) -> None:
    async for large in stores:
        sink = Sink(large.hub)
        WATCHES[kind](sink)
        batch = await large.delete(KEYS)
        with probed() as probe:
            large.hub.publish(batch)
            await large.notified()
        expected = EXPECTED.get(kind, KEYS)
        sent = sink.responses()
        assert sum(len(response.events) for response in sent) == expected
        assert len(sent) == (3 if kind == "in fragments" else 1 if expected else 0)
        if probe.longest < BOUND:
            break
    assert probe.longest < BOUND


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", WATCHES)
async def test_catching_up_on_a_large_revision_lets_others_run(deleted: Large, kind: str) -> None:
    for _ in range(TRIES):
        sink = Sink(deleted.hub)
        with probed() as probe:
            watcher = WATCHES[kind](sink)
            deleted.hub.remove(watcher)
            watcher.state, watcher.next_revision = WatcherState.UNSYNCED, deleted.store.revision
            deleted.hub.resume((watcher,))
            await deleted.notified()
        assert sum(len(it.events) for it in sink.responses()) == EXPECTED.get(kind, KEYS)
        deleted.hub.remove(watcher)
        if probe.longest < BOUND:
            break
    assert probe.longest < BOUND


async def test_a_change_that_very_many_watch_lets_others_run(stores: AsyncIterator[Large]) -> None:
    async for large in stores:
        sinks = [Sink(large.hub) for _ in range(10)]
        for sink in sinks:
            for _ in range(KEYS // 10):
                sink.watch(b"k00000000", b"k00000000\0")
        batch = await large.delete(1)
        with probed() as probe:
            large.hub.publish(batch)
            await large.notified()
        assert [len(sink.responses()) for sink in sinks] == [KEYS // 10] * 10
        if probe.longest < BOUND:
            break
    assert probe.longest < BOUND


async def test_very_many_watchers_leave_without_holding_others_up(
    stores: AsyncIterator[Large],
) -> None:
    async for large in stores:
        sinks = [Sink(large.hub) for _ in range(10)]
        for sink in sinks:
            for number in range(KEYS // 10):
                sink.watch(b"k%08d" % number, b"k%08d\0" % number)
        stays = Sink(large.hub)
        stays.watch(b"k00000000", b"k00000000\0")
        before = [len(sink.sent) for sink in sinks]
        batch = await large.delete(1)
        with probed() as probe:
            for sink in sinks:
                sink.stream.close()
            # The watcher that is still there is notified, and no other.
            large.hub.publish(batch)
            while len(large.hub._synced) > 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        await large.notified()
        assert len(stays.responses()) == 1
        assert [len(sink.sent) for sink in sinks] == before
        if probe.longest < BOUND:
            break
    assert probe.longest < BOUND
