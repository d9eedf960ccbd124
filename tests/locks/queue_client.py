"""
Clients that queue for one place at its head, and the ledger of who has been there.

The ``Ledger`` is told by each client when it takes itself for the head, and until when; and
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

from tests.locks.connection import PATIENCE, Connection

LONG_TTL = 300
SHORT_TTL = 2

#: How often a thing is done, compared with the others.
Actions = dict[Callable[[], Awaitable[object]], float]


class LostError(Exception):
    """The lease, and with it whatever hung on it, has ended."""


@dataclass
class Ledger:
    """What all clients know together."""

    rounds: int
    holder: int | None = None
    held: int = 0
    kills: int = 0
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


class QueueClient(ABC):
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

    def check_it_may_have_ended(self, what: str) -> None:
        """Fail unless the lease may have ended by now; ``what`` says what seems to show it has."""
        assert time.monotonic() >= self._valid_until, what

    @abstractmethod
    def actions(self) -> Actions:
        """Return what this client may do next, one thing after the other."""

    async def run(self) -> None:
        """Do one thing after the other, chosen at random, until there were enough rounds."""
        await self.new_lease()
        actions = self.actions()
        while not self.ledger.is_over:
            (action,) = self.chance.choices([*actions], [*actions.values()])
            try:
                await action()
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
        deadline = time.monotonic() + PATIENCE
        while await self.connection.created(key) and self.ledger.kills <= kills:
            assert time.monotonic() < deadline, "a waiter that gave up is still in the queue"
            await asyncio.sleep(0.005)
        self.ledger.events["given up while another held"] += 1
