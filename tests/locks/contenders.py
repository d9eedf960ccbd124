"""
Clients that contend for one lock.

A holder leaves a record in the store, fenced by its key: a transaction that puts the key's
create revision if the key still has that. The history of the record is the order in which
the lock was held, as the store knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import grpc
import grpc.aio

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2
from tests.locks.connection import PATIENCE, is_away
from tests.locks.history import QueueHistory
from tests.locks.queue_client import SHORT_TTL, Actions, LostError, QueueClient

NAME = b"mutex"
RECORD = b"record"


class Contender(QueueClient):
    """One client with a lease of its own."""

    name = NAME

    def actions(self) -> Actions:
        return {
            self._lock_and_unlock: 100,
            self._give_up: 30,
            self._hold_while_another_gives_up: 3,
            self._be_revoked: 4,
            self._revoke: 4,
            self._expire: 0.05,
        }

    # ------------------------------------------------------------ what they do

    async def _lock_and_unlock(self) -> None:
        await self._hold()
        self.ledger.give_up(self.number)
        await self._unlock()

    async def _revoke(self) -> None:
        """Hold, and end the lease instead of unlocking."""
        await self._hold()
        self.ledger.give_up(self.number)
        await self.revoke_lease()
        self.ledger.events["revoked while holding"] += 1
        await self.new_lease()

    async def _be_revoked(self) -> None:
        """Wait, and have the lease ended meanwhile."""
        waiting = asyncio.ensure_future(self._lock(self.lease))
        await asyncio.sleep(self.chance.uniform(0, 0.02))
        await self.revoke_lease()
        try:
            await waiting  # whatever it was given has gone with the lease
        except LostError:
            self.ledger.events["revoked while waiting"] += 1
        await self.new_lease()

    async def _give_up(self) -> None:
        """Wait for a while only; by cancelling or by deadline."""
        kills = self.ledger.kills
        patience = self.chance.uniform(0, 0.03)
        try:
            if self.chance.random() < 0.5:
                await self._lock(self.lease, timeout=patience)
            else:
                await asyncio.wait_for(self._lock(self.lease), patience)
        except (asyncio.TimeoutError, TimeoutError):
            self.ledger.events["given up"] += 1
            await self.leave_by(self._unlock, kills)
        else:
            self.ledger.take(self.number)
            self.ledger.give_up(self.number)
            await self._unlock()

    async def _hold_while_another_gives_up(self) -> None:
        """See a waiter leave while it cannot be its turn: the queue stands still."""
        lease = await self.connection.grant(10 * SHORT_TTL)
        await self._hold()
        kills = self.ledger.kills
        try:
            await self._lock(lease, timeout=0.02)
        except TimeoutError:
            await self.see_it_go(self.prefix + b"%x" % lease, kills)
        else:
            raise AssertionError("two hold the lock")
        self.ledger.give_up(self.number)
        await self._unlock()
        await self.connection.revoke(lease)

    async def _expire(self) -> None:
        """Hold with a lease that nobody keeps alive, and let it end."""
        await self.revoke_lease()
        await self.new_lease(SHORT_TTL)
        await self._lock(self.lease)
        if await self._leave_record():
            self.ledger.events["expired while holding"] += 1
        else:
            self.check_it_may_have_ended("the holder was fenced off")
        await self.new_lease()

    # ----------------------------------------------------------------- helpers

    async def _hold(self) -> None:
        """Take the lock and leave the record."""
        await self._lock(self.lease)
        self.ledger.take(self.number)
        assert await self._leave_record(), "the holder was fenced off"

    async def _leave_record(self) -> bool:
        """Leave it if the key that holds is there; tell whether it is."""
        created = await self.connection.created(self.key)
        if not created:
            return False
        fence = pb.Compare(
            key=self.key,
            target=pb.Compare.CREATE,
            result=pb.Compare.EQUAL,
            create_revision=created,
        )
        put = pb.RequestOp(request_put=pb.PutRequest(key=RECORD, value=b"%d" % created))
        written = await self.connection.call(
            self.connection.kv.Txn, pb.TxnRequest(compare=[fence], success=[put])
        )
        return bool(written.succeeded)

    async def _lock(self, lease: int, timeout: float | None = None) -> None:
        """
        Wait for the lock, again if the server goes away meanwhile.

        Raises:
            LostError: The lease has ended.
            TimeoutError: It took longer than ``timeout``.

        """
        request = v3lock_pb2.LockRequest(name=NAME, lease=lease)
        while True:
            try:
                await self.connection.lock.Lock(
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
                self.ledger.events["server away"] += 1

    async def _unlock(self) -> None:
        request = v3lock_pb2.UnlockRequest(key=self.key)
        await self.connection.call(self.connection.lock.Unlock, request)


def check_holders(events: Sequence[mvccpb.Event]) -> None:
    """Check that each holder was at the head of the queue, and later ones entered it later."""
    queue = QueueHistory(NAME + b"/", events)
    records = [event.kv for event in events if event.kv.key == RECORD]
    assert records
    for record in records:
        head = queue.at(record.mod_revision)
        assert head is not None, "the lock was held by somebody who was not in the queue"
        assert head.created == int(record.value), "the lock was held by two"
    holders = [int(record.value) for record in records]
    assert all(one <= other for one, other in pairwise(holders)), "out of order"
