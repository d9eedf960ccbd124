"""
Clients that contend for one lock, and what they know of it.

The ``Ledger`` is told by each client when it takes itself for the holder, and until when. A
holder also leaves a record in the store, fenced by its key: a transaction that puts the
key's create revision if the key still has that. The history of the record is the order in
which the lock was held, as the store knows it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc, v3lock_pb2, v3lock_pb2_grpc

NAME = b"mutex"
RECORD = b"record"
LONG_TTL = 300
SHORT_TTL = 2
PATIENCE = 60.0

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)

# Generated service stubs carry no types.
_rpc: Any = rpc_pb2_grpc
_lock: Any = v3lock_pb2_grpc


class LostError(Exception):
    """The lease, and with it whatever hung on it, has ended."""


@dataclass
class Ledger:
    """What all clients know together."""

    rounds: int
    holder: int | None = None
    held: int = 0
    events: Counter[str] = field(default_factory=Counter)

    @property
    def is_over(self) -> bool:
        return self.held >= self.rounds

    def take(self, client: int) -> None:
        assert self.holder is None, f"{client} was given what {self.holder} holds"
        self.holder = client
        self.held += 1

    def give_up(self, client: int) -> None:
        assert self.holder == client
        self.holder = None


class Connection:
    """A channel, and calls that are made again while the server is away."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self.kv = _rpc.KVStub(self.channel)
        self.lease = _rpc.LeaseStub(self.channel)
        self.lock = _lock.LockStub(self.channel)

    async def call(self, method: Any, request: Any) -> Any:
        """
        Call until there is an answer.

        Raises:
            grpc.aio.AioRpcError: The server refused.

        """
        while True:
            try:
                return await method(request, wait_for_ready=True, timeout=PATIENCE)
            except grpc.aio.AioRpcError as error:
                if not is_away(error):
                    raise


def is_away(error: grpc.aio.AioRpcError) -> bool:
    """Whether the server was killed, as opposed to having refused."""
    reset = "Stream removed", "recvmsg", "Connection reset", "Socket closed", "end of TCP"
    return error.code() is grpc.StatusCode.UNAVAILABLE or any(
        words in (error.details() or "") for words in reset
    )


class Contender:
    """One client with a lease of its own."""

    def __init__(self, number: int, connection: Connection, ledger: Ledger, seed: float) -> None:
        self._number = number
        self._connection = connection
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._lease = 0
        self._valid_until = 0.0

    @property
    def _key(self) -> bytes:
        return NAME + b"/%x" % self._lease

    async def contend(self) -> None:
        """Go on in one way or another until there were enough rounds."""
        await self._new_lease(LONG_TTL)
        ways = [self._lock_and_unlock, self._give_up, self._be_revoked, self._revoke, self._expire]
        while not self._ledger.is_over:
            (way,) = self._chance.choices(ways, [100, 30, 4, 4, 0.05])
            try:
                await way()
            except LostError:
                self._ledger.events["lost"] += 1
                await self._new_lease(LONG_TTL)

    async def end(self, connection: Connection) -> None:
        """End the lease."""
        self._connection = connection
        await self._revoke_lease()

    async def _new_lease(self, ttl: int) -> None:
        asked = time.monotonic()
        grant = await self._connection.call(
            self._connection.lease.LeaseGrant, pb.LeaseGrantRequest(TTL=ttl)
        )
        self._lease, self._valid_until = grant.ID, asked + ttl

    # ------------------------------------------------------------ what they do

    async def _lock_and_unlock(self) -> None:
        if await self._hold():
            self._ledger.give_up(self._number)
            await self._unlock()

    async def _revoke(self) -> None:
        """Hold, and end the lease instead of unlocking."""
        if await self._hold():
            self._ledger.give_up(self._number)
        await self._revoke_lease()
        self._ledger.events["revoked while holding"] += 1
        await self._new_lease(LONG_TTL)

    async def _be_revoked(self) -> None:
        """Wait, and have the lease ended meanwhile."""
        waiting = asyncio.ensure_future(self._lock())
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        await self._revoke_lease()
        try:
            await waiting  # whatever it was given has gone with the lease
        except LostError:
            self._ledger.events["revoked while waiting"] += 1
        await self._new_lease(LONG_TTL)

    async def _give_up(self) -> None:
        """Wait for a while only; by cancelling or by deadline."""
        patience = self._chance.uniform(0, 0.03)
        try:
            if self._chance.random() < 0.5:
                await self._lock(timeout=patience)
            else:
                await asyncio.wait_for(self._lock(), patience)
        except (asyncio.TimeoutError, TimeoutError):
            self._ledger.events["given up"] += 1
            await self._check_nothing_is_left()
        else:
            await self._unlock()

    async def _expire(self) -> None:
        """Hold with a lease that nobody keeps alive, and let it end."""
        await self._revoke_lease()
        await self._new_lease(SHORT_TTL)
        if await self._hold():
            self._ledger.give_up(self._number)
            self._ledger.events["expired while holding"] += 1
        await self._new_lease(LONG_TTL)

    # ----------------------------------------------------------------- helpers

    async def _hold(self) -> bool:
        """Take the lock and leave the record; tell whether it is held for certain."""
        await self._lock()
        if time.monotonic() > self._valid_until - 0.5:
            return False
        self._ledger.take(self._number)
        created = await self._created()
        assert created, "the key of the holder is missing"
        fence = pb.Compare(
            key=self._key,
            target=pb.Compare.CREATE,
            result=pb.Compare.EQUAL,
            create_revision=created,
        )
        put = pb.RequestOp(request_put=pb.PutRequest(key=RECORD, value=b"%d" % created))
        written = await self._connection.call(
            self._connection.kv.Txn, pb.TxnRequest(compare=[fence], success=[put])
        )
        assert written.succeeded, "the holder was fenced off"
        return True

    async def _lock(self, timeout: float | None = None) -> None:
        """
        Wait for the lock, again if the server goes away meanwhile.

        Raises:
            LostError: The lease has ended.
            TimeoutError: It took longer than ``timeout``.

        """
        request = v3lock_pb2.LockRequest(name=NAME, lease=self._lease)
        while True:
            try:
                await self._connection.lock.Lock(
                    request, wait_for_ready=True, timeout=timeout or PATIENCE
                )
                return
            except grpc.aio.AioRpcError as error:
                if timeout and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimeoutError from None
                if "session is expired" in (error.details() or "") or "lease not found" in (
                    error.details() or ""
                ):
                    raise LostError from None
                if not is_away(error):
                    raise
                self._ledger.events["server away"] += 1

    async def _unlock(self) -> None:
        request = v3lock_pb2.UnlockRequest(key=self._key)
        await self._connection.call(self._connection.lock.Unlock, request)

    async def _revoke_lease(self) -> None:
        try:
            await self._connection.call(
                self._connection.lease.LeaseRevoke, pb.LeaseRevokeRequest(ID=self._lease)
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise

    async def _created(self) -> int:
        reply = await self._connection.call(
            self._connection.kv.Range, pb.RangeRequest(key=self._key)
        )
        revision: int = reply.kvs[0].create_revision if reply.kvs else 0
        return revision

    async def _check_nothing_is_left(self) -> None:
        """See the key go; unless it had become its turn, and the answer came too late."""
        deadline = time.monotonic() + PATIENCE
        while await self._created():
            if await self._is_oldest():
                self._ledger.events["given up too late"] += 1
                await self._unlock()
                return
            assert time.monotonic() < deadline, "a waiter that gave up is still in the queue"
            await asyncio.sleep(0.005)

    async def _is_oldest(self) -> bool:
        reply = await self._connection.call(
            self._connection.kv.Range,
            pb.RangeRequest(
                key=NAME + b"/",
                range_end=NAME + b"0",
                sort_order=pb.RangeRequest.ASCEND,
                sort_target=pb.RangeRequest.CREATE,
                limit=1,
            ),
        )
        return bool(reply.kvs) and reply.kvs[0].key == self._key
