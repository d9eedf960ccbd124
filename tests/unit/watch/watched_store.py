"""A store whose writes become durable when a test says so, and clients that read when let."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from etcdpy.cooperative import finish
from etcdpy.memory import Account
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.compactor import Compactor
from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import MovableClock
from etcdpy.transport import JoinedMessages
from etcdpy.transport.grpc.messages import MessageReader
from etcdpy.watch import Hub, Watcher, WatchStream
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.watch.fake_writer import FakeWriter

FRAGMENT_BYTES = 2000


class _Log(FakeLog):
    """Tells the hub what is durable, and shows all rows, durable or not."""

    hub: Hub

    def settle(self, batches: int | None = None) -> None:
        for _ in range(len(self.on_their_way) if batches is None else batches):
            batch = self.on_their_way[0]
            super().settle(1)
            self.hub.publish(batch)

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        rows = dict(self.disk.key_rows)
        for batch in (*self.on_their_way, self.batch):
            rows.update(batch.rows)
        for row_key in sorted(rows):
            if start <= row_key and (stop is None or row_key < stop):
                yield row_key, rows[row_key]


class WatchedStore:
    """A store, and the hub that feeds its watchers."""

    def __init__(self, account: Account | None = None) -> None:
        self.log = _Log()
        self.store = Store(self.log)
        self.log.serve(self.store)
        headers = Headers(1, 2, 3)
        self.hub = Hub(self.store, self.log, headers, asyncio.get_running_loop(), account)
        self.log.hub = self.hub
        self.compactor = Compactor(self.store, None, MovableClock())

    def write(self, *puts: bytes, deletes: tuple[bytes, ...] = (), value: bytes = b"") -> int:
        """Make a write that is not durable yet; return its revision."""
        changes = self.store.begin()
        for key in puts:
            changes.put(key, value, 0)
        finish(changes.delete_all(list(deletes)))
        changes.commit()
        return changes.revision

    def settle(self, batches: int | None = None) -> None:
        """Make writes durable."""
        self.log.flush()
        self.log.settle(batches)

    def put(self, *keys: bytes, value: bytes = b"") -> int:
        """Make a write, and make it durable."""
        revision = self.write(*keys, value=value)
        self.settle()
        return revision

    def delete(self, *keys: bytes) -> int:
        revision = self.write(deletes=keys)
        self.settle()
        return revision

    async def compact(self, revision: int) -> None:
        """Compact, and wait until the rows are gone."""
        _, done = self.compactor.schedule(revision)
        while not done.done():
            self.settle()
            await turns()

    def open(self, *, fragment_bytes: int = FRAGMENT_BYTES) -> StreamClient:
        return StreamClient(self.hub, fragment_bytes)


class StreamClient(FakeWriter):
    """A Watch stream whose peer reads only while ``reads`` is set."""

    def __init__(self, hub: Hub, fragment_bytes: int) -> None:
        super().__init__()
        #: The most responses that came joined.
        self.most_joined = 0
        self.stream = WatchStream(hub, fragment_bytes, self, self._wake)
        self._draining: asyncio.Task[None] | None = None

    # What the stream asks of its writer.

    def joined(self, responses: list[tuple[bytes, bytes]]) -> JoinedMessages:
        return JoinedMessages(responses)

    def try_write_joined(self, joined: JoinedMessages) -> bool:
        if not self.reads.is_set():
            return False
        reader = MessageReader(joined.size, is_gzip=False)
        reader.feed(b"".join(joined.messages))
        before = len(self.responses)
        while (message := reader.next()) is not None:
            assert self.try_write(message, b"")
        self.most_joined = max(self.most_joined, len(self.responses) - before)
        return True

    def _wake(self) -> None:
        self._draining = asyncio.get_running_loop().create_task(
            self.stream.output.drain(lambda: None)
        )

    # What tests do.

    def watch(
        self, key: bytes, stop: bytes | None = b"", since: int = 0, **options: Any
    ) -> Watcher:
        """Create a watcher; ``stop`` None is the end of all keys."""
        end = key + b"\0" if stop == b"" else stop
        watcher = Watcher(self.stream, self.stream.free_id(), key, end, since)
        for name, value in options.items():
            setattr(watcher, name, value)
        self.stream.create(watcher)
        return watcher

    def take(self) -> list[pb.WatchResponse]:
        """Return the responses since the last time."""
        taken, self.responses = self.responses, []
        return taken

    def events(self) -> list[kv_pb2.Event]:
        return [event for response in self.take() for event in response.events]

    def changes(self) -> list[tuple[bytes, int]]:
        """Return the key and revision of the events since the last time."""
        return [(event.kv.key, event.kv.mod_revision) for event in self.events()]


async def quiet(watched: WatchedStore, most: int = 2000) -> None:
    """Let the loop turn until nobody reads history any more."""
    for _ in range(most):
        await turns()
        if watched.hub.is_idle:
            return
    raise AssertionError("history is still being read")
