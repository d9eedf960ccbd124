"""
Clients that stand for one election.

A leader proclaims, and the revision of that is noted: at that revision its key must be at
the head of the queue. Whoever has led finds its proclamations refused from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import v3election_pb2 as elect
from tests.locks.connection import PATIENCE, is_away
from tests.locks.history import QueueHistory
from tests.locks.queue_client import SHORT_TTL, Actions, Ledger, LostError, QueueClient

NAME = b"post"
LONGEST_WAIT = 0.03


@dataclass
class ElectionLedger(Ledger):
    """What candidates know together: each proclamation of a leader, by its revision."""

    proclaimed: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    newest: int = 0

    def lead(self, candidate: int, leader: elect.LeaderKey) -> None:
        self.take(candidate)
        assert leader.rev > self.newest, "somebody led who entered before the one before"
        self.newest = leader.rev


class Candidate(QueueClient):
    """One client with a lease of its own."""

    name = NAME
    ledger: ElectionLedger

    def actions(self) -> Actions:
        return {
            self._lead_and_resign: 100,
            self._give_up: 30,
            self._lead_while_another_gives_up: 5,
            self._resign_while_waiting: 8,
            self._stand_twice: 8,
            self._be_revoked: 4,
            self._be_revoked_while_leading: 4,
            self._expire: 0.1,
        }

    # ------------------------------------------------------------ what they do

    async def _lead_and_resign(self) -> None:
        leader = await self._campaign(self._value())
        await self._lead(leader)
        await self._resign(leader)
        await self._see_refused(leader)
        if self.chance.random() < 0.2:
            await self._stand_again(leader)

    async def _stand_again(self, former: elect.LeaderKey) -> None:
        """Be a candidate anew, whom what was won before does not help and cannot hurt."""
        standing = asyncio.ensure_future(self._campaign(self._value()))
        while not (created := await self.connection.created(self.key)):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await self._resign(former)
        await self._see_refused(former)
        assert await self.connection.created(self.key) == created, "resigned for another"
        leader = await standing
        assert leader.rev == created
        await self._lead(leader)
        await self._resign(leader)
        self.ledger.events["stood again"] += 1

    async def _give_up(self) -> None:
        """Wait for a while only; by cancelling or by deadline."""
        kills = self.ledger.kills
        patience = self.chance.uniform(0, LONGEST_WAIT)
        try:
            if self.chance.random() < 0.5:
                leader = await self._campaign(b"in vain", timeout=patience)
            else:
                leader = await asyncio.wait_for(self._campaign(b"in vain"), patience)
        except (asyncio.TimeoutError, TimeoutError):
            self.ledger.events["given up"] += 1
            await self.leave_by(self._resign_whatever_is_there, kills)
        else:
            await self._lead(leader)
            await self._resign(leader)

    async def _lead_while_another_gives_up(self) -> None:
        """See a candidate leave while it cannot be its turn: the queue stands still."""
        lease = await self.connection.grant(10 * SHORT_TTL)
        leader = await self._campaign(self._value())
        await self._lead(leader, self._see_another_give_up(lease))
        await self._resign(leader)
        await self.connection.revoke(lease)

    async def _see_another_give_up(self, lease: int) -> None:
        kills = self.ledger.kills
        with pytest.raises(TimeoutError):
            await self._campaign(b"in vain", lease, timeout=0.02)
        await self.see_it_go(self.prefix + b"%x" % lease, kills)

    async def _resign_while_waiting(self) -> None:
        """Leave the queue while the call still waits, which is then told it has won."""
        standing = asyncio.ensure_future(self._campaign(b"in vain"))
        await asyncio.sleep(self.chance.uniform(0, LONGEST_WAIT))
        await self._resign_whatever_is_there()
        leader = await standing
        if await self.connection.created(self.key) != leader.rev:
            await self._see_refused(leader)
            self.ledger.events["resigned while waiting"] += 1
        await self._resign(leader)

    async def _stand_twice(self) -> None:
        """Change the value while waiting; both calls are told the same."""
        first, second = self._value(), self._value()
        standing = asyncio.ensure_future(self._campaign(first))
        while not await self.connection.created(self.key):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        leader = await self._campaign(second)
        assert leader == await standing
        await self._lead(leader)
        await self._resign(leader)
        self.ledger.events["stood twice"] += 1

    async def _be_revoked(self) -> None:
        """Have the lease ended while waiting; the call is told that it has won."""
        standing = asyncio.ensure_future(self._campaign(b"in vain"))
        await asyncio.sleep(self.chance.uniform(0, LONGEST_WAIT))
        await self.revoke_lease()
        try:
            await self._see_refused(await standing)
        except LostError:
            self.ledger.events["revoked before standing"] += 1
        else:
            self.ledger.events["revoked while waiting"] += 1
        await self.new_lease()

    async def _be_revoked_while_leading(self) -> None:
        leader = await self._campaign(self._value())
        await self._lead(leader)
        await self.revoke_lease()
        await self._see_refused(leader)
        await self._resign(leader)
        self.ledger.events["revoked while leading"] += 1
        await self.new_lease()

    async def _expire(self) -> None:
        """Lead with a lease that nobody keeps alive, and let it end."""
        await self.revoke_lease()
        await self.new_lease(SHORT_TTL)
        leader = await self._campaign(self._value())
        try:
            await self._proclaim(leader)
        except grpc.aio.AioRpcError as error:
            if "election: not leader" not in (error.details() or ""):
                raise
            self.check_it_may_have_ended("the leader was refused")
        while await self.connection.created(self.key):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await self._see_refused(leader)
        self.ledger.events["expired while leading"] += 1
        await self.new_lease()

    # ----------------------------------------------------------------- helpers

    def _value(self) -> bytes:
        return b"%d says %d" % (self.number, self.chance.getrandbits(32))

    async def _lead(
        self, leader: elect.LeaderKey, meanwhile: Awaitable[None] | None = None
    ) -> None:
        """Be the only leader, and say so some times."""
        assert (leader.name, leader.key, leader.lease) == (NAME, self.key, self.lease)
        self.ledger.lead(self.number, leader)
        for _ in range(self.chance.randrange(1, 4)):
            value = await self._proclaim(leader)
        if meanwhile is not None:
            await meanwhile
        now = await self._election("Leader", elect.LeaderRequest(name=NAME))
        assert (now.kv.create_revision, now.kv.value) == (leader.rev, value), "another leads"
        self.ledger.give_up(self.number)

    async def _proclaim(self, leader: elect.LeaderKey) -> bytes:
        """Say something as the leader; return what."""
        value = self._value()
        said = await self._election("Proclaim", elect.ProclaimRequest(leader=leader, value=value))
        self.ledger.proclaimed[said.header.revision] = (leader.rev, value)
        return value

    async def _see_refused(self, former: elect.LeaderKey) -> None:
        request = elect.ProclaimRequest(leader=former, value=b"usurped")
        with pytest.raises(grpc.aio.AioRpcError, match="election: not leader"):
            await self._election("Proclaim", request)
        self.ledger.events["refused"] += 1

    async def _resign(self, leader: elect.LeaderKey) -> None:
        """Resign, twice: only the first time changes anything."""
        for _ in range(2):
            await self._election("Resign", elect.ResignRequest(leader=leader))
        assert await self.connection.created(leader.key) != leader.rev, "it has not resigned"

    async def _resign_whatever_is_there(self) -> None:
        if created := await self.connection.created(self.key):
            await self._resign(elect.LeaderKey(key=self.key, rev=created, lease=self.lease))

    async def _election(self, method: str, request: Any) -> Any:
        return await self.connection.call(getattr(self.connection.election, method), request)

    async def _campaign(
        self, value: bytes, lease: int | None = None, timeout: float | None = None
    ) -> elect.LeaderKey:
        """
        Wait for the election, again if the server goes away meanwhile.

        Raises:
            LostError: The lease has ended.
            TimeoutError: It took longer than ``timeout``.

        """
        request = elect.CampaignRequest(name=NAME, lease=lease or self.lease, value=value)
        while True:
            try:
                won = await self.connection.election.Campaign(
                    request, wait_for_ready=True, timeout=timeout or PATIENCE
                )
            except grpc.aio.AioRpcError as error:
                if timeout and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimeoutError from None
                if "lease not found" in (error.details() or ""):
                    raise LostError from None
                if not is_away(error):
                    raise
                self.ledger.events["server away"] += 1
            else:
                leader: elect.LeaderKey = won.leader
                return leader


def check_leaders(events: Sequence[mvccpb.Event], ledger: ElectionLedger) -> QueueHistory:
    """Check that each proclamation was of who was at the head of the queue; return that."""
    queue = QueueHistory(NAME + b"/", events)
    assert ledger.proclaimed
    for revision, (created, value) in ledger.proclaimed.items():
        head = queue.at(revision)
        assert head is not None, "somebody proclaimed who was no candidate"
        assert (head.created, head.value) == (created, value), "two led"
    return queue
