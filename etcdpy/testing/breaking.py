"""
What is to go wrong with a test's server: begun by a name, ended by a number.

Faults of requests are rules. The others take hold of connections, of the disk, or of the node
itself, and let go of them again when they end.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Final

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage import GroupCommit
from etcdpy.testing.data import as_bytes
from etcdpy.testing.engine import Engine
from etcdpy.testing.requests import Method, on_keys
from etcdpy.testing.rules import (
    NO_LEADER,
    Delay,
    Drop,
    Fail,
    Finding,
    NoLeader,
    Rule,
    UnknownTokens,
    wants_leader,
)

__all__ = ["Breaker"]

#: socket(7): closing sends RST, and drops what is not sent yet.
_RESET: Final = struct.pack("ii", 1, 0)

End = Callable[[], Coroutine[Any, Any, None]]


class Breaker:
    """
    The faults of a server. On its loop's thread alone.

    Args:
        engine: The server.

    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)
        self._active: dict[int, End] = {}
        # What to do to the disk of each node that is served while this lasts.
        self._disk: dict[int, Callable[[GroupCommit], Callable[[], None]]] = {}
        self._undo: dict[int, Callable[[], None]] = {}
        engine.on_left, engine.on_taken = self._mend_disk, self._break_disk
        self._restarts = True

    async def begin(self, kind: str, **arguments: Any) -> int:
        """
        Begin a fault, and return its number.

        Args:
            kind: Its name, one of ``KINDS``.
            arguments: Its own.

        Raises:
            ValueError: There is no such fault, or it cannot have these arguments.

        """
        begin = KINDS.get(kind)
        if begin is None:
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        number = next(self._numbers)
        try:
            self._active[number] = await begin(self, number, **arguments)
        except TypeError as error:
            raise ValueError(f"{kind}: {error}") from None
        return number

    async def end(self, number: int) -> None:
        """End a fault. Harmless if it has ended."""
        end = self._active.pop(number, None)
        if end is not None:
            await end()

    async def end_all(self, *, restarts: bool = True) -> None:
        """
        End all of them, the last one first.

        Args:
            restarts: Whether what is down is started again by that.

        """
        self._restarts = restarts
        for number in sorted(self._active, reverse=True):
            await self.end(number)
        self._restarts = True

    # ------------------------------------------------------------------- requests

    def _set(self, rule: Rule) -> End:
        self._engine.rules.add(rule)

        async def end() -> None:
            self._engine.rules.remove(rule)

        return end

    async def delay(
        self, number: int, method: Method = "*", *, seconds: float, times: int | None = None
    ) -> End:
        return self._set(Delay(self._engine.clock, seconds, method, times))

    async def fail(
        self,
        number: int,
        method: Method = "*",
        *,
        code: str,
        message: str | None = None,
        times: int | None = None,
    ) -> End:
        return self._set(Fail(code, message, method, times))

    async def drop(
        self,
        number: int,
        method: Method = "*",
        *,
        times: int | None = None,
        disconnect: bool = True,
    ) -> End:
        hang_up = self._disconnect if disconnect else None
        return self._set(Drop(self._engine.clock, hang_up, method, times))

    async def no_leader(self, number: int) -> End:
        engine = self._engine
        engine.calls.cut(wants_leader, NO_LEADER)
        timeout = engine.settings.config(engine.current.home.path, 1).request_timeout
        return self._set(NoLeader(engine.clock, timeout))

    async def expire_token(self, number: int) -> End:
        self._engine.rules.add(UnknownTokens(frozenset(self._engine.calls.tokens)))
        return _nothing

    # ------------------------------------------------------------------- connections

    async def reset_connections(self, number: int) -> End:
        for connection in self._connections():
            _reset(connection)
        return _nothing

    async def goaway(self, number: int) -> End:
        for connection in list(self._engine.transport.connections):
            connection.shut_down()
        return _nothing

    async def refuse_connections(self, number: int) -> End:
        engine = self._engine
        engine.refusals += 1
        engine.transport.stop_listening()

        async def end() -> None:
            engine.refusals -= 1
            if engine.is_up and not engine.refusals:
                await engine.listen()

        return end

    async def blackhole(self, number: int) -> End:
        transport = self._engine.transport
        transport.hold_listening()
        held = [_Hole(connection) for connection in self._connections()]

        async def end() -> None:
            for hole in held:
                hole.close()
            transport.resume_listening()

        return end

    def _connections(self) -> list[Any]:
        transport = self._engine.transport
        return [*transport.connections, *transport.http1_connections]

    def _disconnect(self, caller: Any) -> None:
        """Break the connection that a call came by."""
        channel = getattr(caller, "channel", None)
        for connection in self._connections():
            if channel is None:
                is_his = getattr(connection, "_peer", None) == caller.peer()
            else:
                is_his = getattr(connection, "_connection", None) is channel
            if is_his:
                _reset(connection)

    # ------------------------------------------------------------------- the disk

    async def slow_disk(self, number: int, *, seconds: float) -> End:
        def slow(log: GroupCommit) -> Callable[[], None]:
            over, before = threading.Event(), log.before_write

            def wait() -> None:
                over.wait(seconds)
                if before is not None:
                    before()

            log.before_write = wait

            def undo() -> None:
                log.before_write = before
                over.set()

            return undo

        return self._break(number, slow)

    async def full_disk(self, number: int) -> End:
        engine = self._engine

        def find_full() -> None:
            if not self._quota_alarm():
                engine.current.node.parts.quota.disk_is_full()

        find_full()
        end_finding = self._set(Finding(find_full))

        async def end() -> None:
            await end_finding()
            await self._disarm("NOSPACE")

        return end

    def _quota_alarm(self) -> bool:
        return bool(self._engine.current.node.parts.alarms.matching(pb.NOSPACE))

    def _break(self, number: int, how: Callable[[GroupCommit], Callable[[], None]]) -> End:
        self._disk[number] = how
        self._undo[number] = how(self._log())

        async def end() -> None:
            del self._disk[number]
            if undo := self._undo.pop(number, None):
                undo()

        return end

    def _mend_disk(self) -> None:
        """Let nobody wait for the disk of a node that goes."""
        while self._undo:
            self._undo.popitem()[1]()

    def _break_disk(self) -> None:
        """Do to another node's disk what was done to that of the one before."""
        for number, how in self._disk.items():
            self._undo[number] = how(self._log())

    def _log(self) -> GroupCommit:
        log = self._engine.current.node.parts.store.log
        assert isinstance(log, GroupCommit)
        return log

    # ------------------------------------------------------------------- the node

    async def cancel_watches(
        self, number: int, prefix: bytes | str = b"", *, compact: bool = False
    ) -> End:
        start = as_bytes(prefix)
        generation = self._engine.current
        revision = generation.node.parts.store.revision if compact else 0
        for session in generation.sessions:
            if session.is_open:
                watchers = [
                    watcher.watch_id
                    for watcher in session.stream.watchers.values()
                    if watcher.start.startswith(start) or _is_within(start, watcher)
                ]
                for watch_id in watchers:
                    session.stream.withdraw(watch_id, revision)
        return _nothing

    async def raise_alarm(self, number: int, alarm: str = "NOSPACE") -> End:
        await self._alarm(pb.AlarmRequest.ACTIVATE, alarm)

        async def end() -> None:
            await self._disarm(alarm)

        return end

    async def crash(self, number: int) -> End:
        await self._engine.crash()

        async def end() -> None:
            if self._restarts and not self._engine.is_up:
                await self._engine.restart()

        return end

    async def _alarm(self, action: Any, alarm: str) -> None:
        generation = self._engine.current
        try:
            kind = pb.AlarmType.Value(alarm.upper())
        except ValueError:
            raise ValueError(
                f"there is no alarm {alarm!r}; there are NOSPACE and CORRUPT"
            ) from None
        who = generation.node.identity.member_id
        request = pb.AlarmRequest(action=action, memberID=who, alarm=kind)
        await generation.ask("alarm", request)

    async def _disarm(self, alarm: str) -> None:
        if self._engine.is_up:
            await self._alarm(pb.AlarmRequest.DEACTIVATE, alarm)


#: How each fault is begun, by its name.
KINDS: Final[dict[str, Callable[..., Coroutine[Any, Any, End]]]] = {
    name: getattr(Breaker, name)
    for name in (
        "blackhole",
        "cancel_watches",
        "crash",
        "delay",
        "drop",
        "expire_token",
        "fail",
        "full_disk",
        "goaway",
        "no_leader",
        "raise_alarm",
        "refuse_connections",
        "reset_connections",
        "slow_disk",
    )
}


class _Hole:
    """
    A connection whose packets vanish: nothing is read, and what is written stays here.

    What either side has sent arrives when it ends, as packets do that are sent again.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transport = connection._transport
        self._written: list[bytes] = []
        connection._transport = self
        with suppress(RuntimeError):  # it is closed
            self._transport.pause_reading()

    def write(self, data: bytes) -> None:
        self._written.append(bytes(data))

    def writelines(self, pieces: Iterator[bytes]) -> None:
        self._written.extend(bytes(piece) for piece in pieces)

    def pause_reading(self) -> None:
        """Do nothing: it is."""

    def resume_reading(self) -> None:
        """Do nothing: it is not to be."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._connection._transport = self._transport
        if not self._transport.is_closing():
            self._transport.resume_reading()
            for piece in self._written:
                self._transport.write(piece)


def _reset(connection: Any) -> None:
    peer = connection._transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # it has gone already
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.abort()


def _is_within(key: bytes, watcher: Any) -> bool:
    return bool(watcher.start <= key and (watcher.stop is None or key < watcher.stop))


async def _nothing() -> None:
    await asyncio.sleep(0)


def selector(method: str = "*", keys: list[str] | None = None) -> Method:
    """Return which requests are meant, as those say it who cannot hand over a function."""
    return method if not keys else on_keys(*keys, method=method)
