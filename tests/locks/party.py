"""
Clients that contend for one place at the head of a queue, and what they know together.

The ``Ledger`` is told by each party when it takes itself for the head, and until when; and
of every kill of the server, which excuses much.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc, v3election_pb2_grpc, v3lock_pb2_grpc

LONG_TTL = 300
SHORT_TTL = 2
PATIENCE = 60.0

#: How often a way is gone, compared with the others.
Ways = dict[Callable[[], Awaitable[object]], float]

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)

#: What grpcio says of a connection that broke under a call; the last of a write to a stream.
_RESET = (
    "Stream removed",
    "recvmsg",
    "Connection reset",
    "Socket closed",
    "end of TCP",
    "Internal error from Core",
)

# Generated service stubs carry no types.
_rpc: Any = rpc_pb2_grpc
_lock: Any = v3lock_pb2_grpc
_election: Any = v3election_pb2_grpc


class LostError(Exception):
    """The lease, and with it whatever hung on it, has ended."""


@dataclass
class Ledger:
    """What all parties know together."""

    rounds: int
    holder: int | None = None
    held: int = 0
    kills: int = 0
    events: Counter[str] = field(default_factory=Counter)

    @property
    def is_over(self) -> bool:
        return self.held >= self.rounds

    def take(self, party: int) -> None:
        assert self.holder is None, f"{party} was given what {self.holder} holds"
        self.holder = party
        self.held += 1

    def give_up(self, party: int) -> None:
        assert self.holder == party
        self.holder = None


class Connection:
    """A channel, and calls that are made again while the server is away."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self.kv = _rpc.KVStub(self.channel)
        self.watch = _rpc.WatchStub(self.channel)
        self.lease = _rpc.LeaseStub(self.channel)
        self.lock = _lock.LockStub(self.channel)
        self.election = _election.ElectionStub(self.channel)

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

    async def grant(self, ttl: int) -> int:
        """Return a new lease."""
        grant = await self.call(self.lease.LeaseGrant, pb.LeaseGrantRequest(TTL=ttl))
        lease: int = grant.ID
        return lease

    async def revoke(self, lease: int) -> None:
        """End a lease, unless it has ended."""
        try:
            await self.call(self.lease.LeaseRevoke, pb.LeaseRevokeRequest(ID=lease))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise

    async def created(self, key: bytes) -> int:
        """Return the create revision of a key, 0 if it is missing."""
        reply = await self.call(self.kv.Range, pb.RangeRequest(key=key))
        revision: int = reply.kvs[0].create_revision if reply.kvs else 0
        return revision

    async def oldest(self, prefix: bytes) -> bytes | None:
        """Return the key at the head of a queue."""
        request = pb.RangeRequest(
            key=prefix,
            range_end=prefix[:-1] + b"0",
            sort_order=pb.RangeRequest.ASCEND,
            sort_target=pb.RangeRequest.CREATE,
            limit=1,
        )
        reply = await self.call(self.kv.Range, request)
        key: bytes | None = reply.kvs[0].key if reply.kvs else None
        return key


def is_away(error: grpc.aio.AioRpcError) -> bool:
    """Whether the server was killed, as opposed to having refused."""
    return error.code() is grpc.StatusCode.UNAVAILABLE or any(
        words in (error.details() or "") for words in _RESET
    )


class Party(ABC):
    """One client, whose place in the queue of ``name`` is that of its lease."""

    name: bytes

    def __init__(self, number: int, connection: Connection, ledger: Ledger, seed: float) -> None:
        self.number = number
        self.connection = connection
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.lease = 0
        self._valid_until = 0.0

    @property
    def prefix(self) -> bytes:
        return self.name + b"/"

    @property
    def key(self) -> bytes:
        return self.prefix + b"%x" % self.lease

    @property
    def lease_is_certain(self) -> bool:
        """Whether the lease has not ended, nor does at once."""
        return time.monotonic() < self._valid_until - 0.5

    @abstractmethod
    def ways(self) -> Ways:
        """Return what can be done from one moment to the next."""

    async def take_part(self) -> None:
        """Go on in one way or another until there were enough rounds."""
        await self.new_lease()
        ways = self.ways()
        while not self.ledger.is_over:
            (way,) = self.chance.choices([*ways], [*ways.values()])
            try:
                await way()
            except LostError:
                self.ledger.events["lost"] += 1
                await self.new_lease()

    async def end(self, connection: Connection) -> None:
        """End the lease."""
        await connection.revoke(self.lease)

    async def new_lease(self, ttl: int = LONG_TTL) -> None:
        asked = time.monotonic()
        self.lease = await self.connection.grant(ttl)
        self._valid_until = asked + ttl

    async def revoke_lease(self) -> None:
        await self.connection.revoke(self.lease)

    async def leave_by(self, leave: Callable[[], Awaitable[object]], kills: int) -> None:
        """
        See that a call that gave up has left the queue.

        It may have come to the head just before, so that its answer was on the way; or the
        server was killed, ``kills`` being how often that was when the call began, and nobody
        was left to take the key away. Then ``leave`` does.
        """
        deadline = time.monotonic() + PATIENCE
        while await self.connection.created(self.key):
            if self.ledger.kills > kills:
                self.ledger.events["given up at a kill"] += 1
                await leave()
                return
            if await self.connection.oldest(self.prefix) == self.key:
                self.ledger.events["given up too late"] += 1
                await leave()
                return
            assert time.monotonic() < deadline, "a waiter that gave up is still in the queue"
            await asyncio.sleep(0.005)

    async def see_it_go(self, key: bytes, kills: int) -> None:
        """See the key of a call that gave up go soon, while it cannot come to the head."""
        for _ in range(200):
            if not await self.connection.created(key) or self.ledger.kills > kills:
                self.ledger.events["given up while another held"] += 1
                return
            await asyncio.sleep(0.005)
        raise AssertionError("a waiter that gave up is still in the queue")
