"""
What can be done to a test's server, by name and with plain arguments, whoever asks and from where.

A test in the same process calls these through the server's thread; one in another process, or in
another language, by the control address of ``etcdpy test-server``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from etcdpy.mvcc.revision import parse_row_key, row_key
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.testing.breaking import Breaker
from etcdpy.testing.data import Event, is_snapshot, read_mapping, write_mapping
from etcdpy.testing.engine import Engine
from etcdpy.testing.generation import end_of_prefix, restore
from etcdpy.watch.watcher import Watcher as NodeWatcher

__all__ = ["Connection", "Lease", "Operations", "Watcher"]


class Watcher(NamedTuple):
    """
    A watch that is open.

    Attributes:
        key: The first key that is watched.
        range_end: Where the watched keys end, as the client gave it; ``b""`` for one key alone.
        watch_id: Its number within its stream.

    """

    key: bytes
    range_end: bytes
    watch_id: int


class Lease(NamedTuple):
    """
    A lease that there is.

    Attributes:
        id: Its number.
        ttl: Seconds for which it was granted.
        remaining: Seconds that it has left, by the server's clock.
        keys: Those that hang on it.

    """

    id: int
    ttl: int
    remaining: float
    keys: list[bytes]


class Connection(NamedTuple):
    """
    A connection that is open.

    Attributes:
        peer: Whose, as gRPC writes it.
        protocol: ``"h2"`` or ``"http/1.1"``.
        calls: How many calls are under way on it; 0 where that is not known.

    """

    peer: str
    protocol: str
    calls: int = 0


class Operations:
    """
    All that a test can do to a server. Called on its loop.

    Args:
        engine: The server.

    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._breaker = Breaker(engine)

    # ------------------------------------------------------------------- its life

    async def reset(self) -> None:
        """Be as new."""
        # What is down is not started only to be emptied.
        await self._breaker.end_all(restarts=False)
        await self._engine.reset()

    async def is_new(self) -> bool:
        """Tell whether there is nothing that a reset would change."""
        engine = self._engine
        store = engine.current.node.parts.store
        is_empty = store.revision == engine.first_revision
        return engine.is_up and is_empty and not engine.calls.under_way and not engine.requests

    async def restart(self) -> None:
        """Stop and start again with the same data."""
        await self._engine.restart()

    async def crash(self) -> None:
        """Be down, as if killed."""
        await self._engine.crash()

    async def stop(self) -> None:
        """Stop for good."""
        await self._breaker.end_all(restarts=False)
        await self._engine.stop()

    # ------------------------------------------------------------------- keys

    async def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """Put a key; return the revision."""
        return int(
            (
                await self._ask("put", pb.PutRequest(key=key, value=value, lease=lease))
            ).header.revision
        )

    async def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None if it is not there."""
        found = await self._ask("range", pb.RangeRequest(key=key))
        return bytes(found.kvs[0].value) if found.kvs else None

    async def delete(self, key: bytes, *, prefix: bool = False) -> int:
        """Delete a key, or all that begin so; return how many there were."""
        request = pb.DeleteRangeRequest(key=key)
        if prefix:
            request.key, request.range_end = key or b"\0", end_of_prefix(key)
        return int((await self._ask("delete_range", request)).deleted)

    async def pairs(self, prefix: bytes = b"") -> dict[bytes, bytes]:
        """Return the keys that begin so, with their values."""
        request = pb.RangeRequest(key=prefix or b"\0", range_end=end_of_prefix(prefix))
        return {kv.key: kv.value for kv in (await self._ask("range", request)).kvs}

    async def revision(self) -> int:
        """Return the revision of the store."""
        return self._engine.current.node.parts.store.revision

    async def history(self, prefix: bytes = b"") -> list[Event]:
        """Return the changes of keys that begin so, the oldest first, as far as there are any."""
        found = []
        log = self._engine.current.node.parts.store.log
        for key, value in log.scan_rows(row_key(0, 0)):
            row, pair = parse_row_key(bytes(key)), KeyValue.FromString(bytes(value))
            if pair.key.startswith(prefix):
                content = None if row.tombstone else pair.value
                found.append(Event(pair.key, content, row.main, pair.version, pair.lease))
        return found

    async def load(self, source: Mapping[Any, Any] | str) -> None:
        """Put what a mapping or a file of one has; begin anew from a snapshot."""
        if is_snapshot(source):
            file = Path(str(source))
            await self._engine.replace_data(lambda home, config: restore(file, home, config))
        else:
            await self._engine.current.put_all(read_mapping(source).items())

    async def dump(self, path: str) -> None:
        """Write what there is into a file: JSON or YAML by its name, a snapshot otherwise."""
        file = Path(path)
        if not is_snapshot(file):
            write_mapping(await self.pairs(), file)
            return
        snapshot = await self._engine.current.node.parts.database.take_snapshot()
        try:
            with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as written:
                async for piece in snapshot.chunks():
                    written.write(piece)
            os.replace(written.name, file)
        finally:
            snapshot.close()

    # ------------------------------------------------------------------- time

    async def now(self) -> float:
        """Return the server's time, in seconds since 1970."""
        return self._engine.clock.wall()

    async def advance(self, seconds: float) -> None:
        """Let time pass, with all that it brings about."""
        await self._engine.advance(seconds)

    async def freeze(self) -> None:
        """Let the clock stand."""
        self._engine.clock.freeze()

    async def resume(self) -> None:
        """Let the clock go on."""
        self._engine.clock.resume()

    async def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._engine.clock.jump(seconds)

    # ------------------------------------------------------------------- faults

    async def begin_fault(self, kind: str, **arguments: Any) -> int:
        """Begin a fault; return its number."""
        return await self._breaker.begin(kind, **arguments)

    async def end_fault(self, number: int) -> None:
        """End a fault."""
        await self._breaker.end(number)

    async def end_faults(self) -> None:
        """End all faults."""
        await self._breaker.end_all()

    # ------------------------------------------------------------------- what is open

    async def watchers(self) -> list[Watcher]:
        """Return the watches that are open."""
        return [
            Watcher(watcher.start, _range_end(watcher), watcher.watch_id)
            for session in self._engine.current.sessions
            if session.is_open
            for watcher in session.stream.watchers.values()
        ]

    async def leases(self) -> list[Lease]:
        """Return the leases that there are."""
        parts = self._engine.current.node.parts
        now = parts.clock.monotonic()
        return [
            Lease(
                lease.lease_id,
                lease.ttl,
                lease.remaining(now),
                sorted(parts.store.attachments.on(lease.lease_id)),
            )
            for lease in parts.leases.lessor
        ]

    async def connections(self) -> list[Connection]:
        """Return the connections that are open."""
        transport = self._engine.transport
        return [
            *(
                Connection(one._connection.peer, "h2", len(one._connection.streams))
                for one in transport.connections
            ),
            *(Connection(one._peer, "http/1.1") for one in transport.http1_connections),
        ]

    async def _ask(self, method: str, request: Any) -> Any:
        reply = await self._engine.current.ask(method, request)
        return _REPLIES[method].FromString(bytes(reply))


_REPLIES: dict[str, Any] = {
    "put": pb.PutResponse,
    "range": pb.RangeResponse,
    "delete_range": pb.DeleteRangeResponse,
}


def _range_end(watcher: NodeWatcher) -> bytes:
    if watcher.stop is None:
        return b"\0"
    return b"" if watcher.stop == watcher.start + b"\0" else watcher.stop
