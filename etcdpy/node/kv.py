"""
Keys: reading, writing, transactions, compaction.

Each method checks the request, applies it or reads, and waits for the disk where the reply tells
of something that is not there yet.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from google.protobuf.message import DecodeError

from etcdpy.clock import stopwatch
from etcdpy.cooperative import DeferredReply, LongReply, Started, Steps, T, started
from etcdpy.errors import EtcdError, MemoryBudgetError, UnreadableRequestError
from etcdpy.memory import Account, Loan, NoRoomYetError
from etcdpy.mvcc import prepared, replies, txn, txn_plan
from etcdpy.mvcc.columns import columns_of
from etcdpy.mvcc.ranges import has_many, select
from etcdpy.mvcc.reply_size import weigh
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.mvcc.walks import rows_at
from etcdpy.mvcc.within import Later, TxnResult
from etcdpy.node.at_once import Answer, AtOnce, Late, Longer, Reply
from etcdpy.node.caller import Caller
from etcdpy.node.checks import check_long_txn
from etcdpy.node.crowd import Crowd
from etcdpy.node.guard import Who
from etcdpy.node.long_replies import LongReplies
from etcdpy.node.parts import Part, Parts
from etcdpy.node.quota import long_txn_cost
from etcdpy.node.range_stream import Page, Pages, open_pages
from etcdpy.node.writer import Unfinished
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.wire import delimited

__all__ = ["Answer", "KeyValues", "Reply"]

#: What a method is asked.
RequestT = TypeVar("RequestT", contravariant=True)

#: The first chunk of a streamed range, in keys.
FIRST_CHUNK = 10


class Method(Protocol[RequestT]):
    """A method of a node that is not one of its class."""

    def __call__(self, request: RequestT, caller: Caller) -> Answer:
        """Ask it."""


class _ChangedError(Exception):
    """What a transaction compares is not what it was when it was decided."""


class KeyValues(Part):
    """
    The methods of a node that are about keys; those that are asked most are in ``AtOnce``.

    Attributes:
        range: Read keys.
        put: Write one key.
        txn: Apply a transaction, or answer one that only reads.
        preparing: The large writes that are prepared before their turn, of which a client has few
            at a time.

    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        gate = parts.admission.gate
        self._admit_range = gate("range")
        self._admit_range_stream = gate("range_stream")
        self._admit_delete_range = gate("delete_range")
        self._admit_txn = gate("txn")
        self._admit_read_txn = gate("read_txn")
        self._admit_compact = gate("compact")
        self._lease_exists = parts.leases.lessor.__contains__
        self._baton = parts.baton
        self._crowd = Crowd()
        self.preparing = Crowd()
        self._long_replies = LongReplies(parts.store, parts.clock, parts.baton)
        # Of callers that have no account of their own.
        self._account = Account(parts.memory)
        self._operations = parts.store.operations
        self._slow = parts.slow
        self._times_all = parts.slow.is_close
        longer = Longer(
            range=self.range_in_slices,
            in_turn=self._in_turn,
            refuse=self._refuse,
            keep=self._keep,
            read_first=self._read_first,
            read_later=self._read_later,
            read_txn=self._read_txn,
            write_txn=self._write_txn,
        )
        at_once = AtOnce(parts, self._crowd, longer)
        # Its own methods, without a call in between.
        self.range: Method[pb.RangeRequest] = at_once.range
        self.put: Method[pb.PutRequest] = at_once.put
        self.txn: Method[Txn] = at_once.txn

    async def range_in_slices(self, request: pb.RangeRequest, caller: Caller) -> Reply | LongReply:
        """Do what ``range`` does, however long it takes."""
        loan, ranges = self._loan(caller), 1
        while True:
            if self._crowd.going:
                await self._place(caller)
            self._admit_range(request, caller)
            self._operations.ranges += ranges
            store, ranges = self._store, 0
            # Where etcd asks its peers whether it may answer, one node knows. (etcd: v3_server.go,
            # linearizableReadNotify)
            newest = store.durable_revision
            revision = store.read_revision(request.revision, newest)
            header = self._headers.at(newest)
            steps: Steps[Reply | LongReply]
            if has_many(request):
                steps = self._long_replies.answer(request, revision, header, loan, caller)
            else:
                steps = _answer(store, request, revision, header, loan)
            try:
                return await self._in_slices(steps, revision, caller, request, loan)
            except NoRoomYetError:
                await loan.room()
            finally:
                loan.close()

    async def range_stream(
        self, request: pb.RangeRequest, caller: Caller
    ) -> AsyncGenerator[bytes, None]:
        """
        Read what ``range`` does, in its order, in chunks whose size follows that of the rows.

        Yields:
            Encoded RangeStreamResponses.

        """
        self._admit_range_stream(request, caller)
        self._operations.ranges += 1
        store = self._store
        newest = store.durable_revision
        revision = store.read_revision(request.revision, newest)
        header = self._headers.at(newest)
        asked = self._admission.auth_revision
        if request.count_only or request.limit < 0:
            # There is one chunk of it. (etcd: v3_server.go, rangeStream)
            steps = _answer(store, request, revision, header)
            yield bytes(replies.field(1, await self._in_slices(steps, revision, caller)))
            return
        size = FIRST_CHUNK
        pages, page = await self._in_slices(
            _begin(store, request, revision, size), revision, caller
        )
        while not page.is_last:
            # Only the last chunk has a header. (etcd: v3_server.go, rangeStream)
            chunk = replies.range_reply(b"", page.result._replace(more=False, total=0))
            yield delimited(1, chunk)
            self._operations.ranges += 1
            size = _next_size(size, len(chunk), self._parts.settings.max_request_bytes)
            store.read_revision(revision, newest)  # compacted meanwhile?
            # etcd looks at the end only, and has sent it all by then.
            self._admission.check_unchanged(asked)
            page = await self._in_slices(pages.read(size), revision, caller)
        yield delimited(1, replies.range_reply(header, page.result))

    def delete_range(self, request: pb.DeleteRangeRequest, caller: Caller) -> Answer:
        """
        Delete keys.

        Returns:
            An encoded DeleteRangeResponse, to be held back until that is durable.

        """
        if prepared.is_large(self._store, request):
            self._admit_delete_range(request, caller)
            return self._delete_many(request, caller)
        if self._writer.busy is not None:
            return self._in_turn(self.delete_range, request, caller)
        who = self._admit_delete_range(request, caller)
        return self._write(request, self._delete_range(request, caller, who))

    async def _delete_many(self, request: pb.DeleteRangeRequest, caller: Caller) -> Late:
        """Do all that can be done of a large deletion, before others have to wait for it."""
        who = caller.peer()
        await self.preparing.place(who)
        with self.preparing.among(who):
            made = None
            if self._has_room_for_all(self._loan(caller)):
                made = await self._baton.run(prepared.prepare_deletion(self._store, request))
            await self._writer.idle(who)
            answer = self._writer.in_turn(lambda: self._delete_prepared(made, request, caller))
        return await answer if isinstance(answer, Coroutine) else answer

    def _delete_prepared(
        self, made: prepared.Deletion | None, request: pb.DeleteRangeRequest, caller: Caller
    ) -> Answer:
        who = self._admit_delete_range(request, caller)
        return self._write(request, self._delete_range(request, caller, who, made))

    def _delete_range(
        self,
        request: pb.DeleteRangeRequest,
        caller: Caller,
        who: Who,
        made: prepared.Deletion | None = None,
    ) -> Steps[Started[DeferredReply]]:
        store, loan = self._store, self._loan(caller)
        write = store.begin()
        found = write.revision - 1
        self._operations.txns += request.prev_kv
        made_rows: list[bytes] | None = None
        if made is not None and prepared.still_holds(made, store, request):
            txn.count_deletion(store, request)
            keys, made_rows, _ = made
        else:
            keys = yield from txn.keys_to_delete(store, write, request)
        number, rows, unread = len(keys), list[bytes](), list[bytes]()
        if request.prev_kv:
            if self._has_room_for_all(loan):
                unread = keys.copy()
            else:
                try:
                    rows = yield from rows_at(store, keys.copy(), found, loan.take)
                except EtcdError:
                    loan.close()
                    raise
        yield from write.delete_all(keys, made_rows)
        if self._audit is not None:
            self._audit.delete_range(request, caller, who, write.shown, number)
        start = replies.deletion_start(self._headers.at(write.shown), number)
        reply = self._deletion_reply(start, rows, unread, found, loan)
        return started(self._behind(write.commit(), reply, loan))

    def _has_room_for_all(self, loan: Loan) -> bool:
        """
        Tell whether there would be room for the whole database.

        Then rows are read behind the write, for which others wait; what has been written could not
        be refused any more.
        """
        budget = loan.account.budget
        return budget.used + self._parts.database.size() <= budget.limit

    def _deletion_reply(
        self, start: bytes, rows: list[bytes], unread: list[bytes], found: int, loan: Loan
    ) -> Steps[Reply]:
        if unread:
            # Kept from being compacted until then.
            with self._store.pinned(found):
                rows = yield from rows_at(self._store, unread, found, loan.keep)
        return (yield from replies.delete_reply(start, rows))

    def _behind(self, sequence: int, steps: Steps[Reply], loan: Loan) -> Steps[DeferredReply]:
        """Make the reply to a write that is done, and hold it back until it may be sent."""
        try:
            reply = yield from steps
        except BaseException:  # nobody waits for it any more
            loan.close()
            raise
        ready = self._log.until(sequence)
        _close_when(ready, loan)
        return DeferredReply(reply, ready)

    def _write_txn(self, request: Txn, caller: Caller, who: Who) -> Answer:
        if txn_plan.takes_long(self._store, request):
            return self._decide_first(request, caller)
        later = Later(self._store) if type(request) is LongTxn else None
        return self._write(request, self._txn(request, caller, who, later))

    async def _decide_first(self, request: Txn, caller: Caller) -> Late:
        """Decide a transaction that looks at much before others have to wait for it."""
        store, who, is_last = self._store, caller.peer(), False
        await self.preparing.place(who)
        with self.preparing.among(who):
            while True:
                revision = store.revision
                # What was written since can be looked at until then.
                with store.pinned(revision):
                    plan = await self._baton.run(self._decided(request, revision, caller))
                    await self._writer.idle(who)
                    write = partial(self._write_decided, plan, request, caller, is_last=is_last)
                    with suppress(_ChangedError):
                        answer = self._writer.in_turn(write)
                        break
                is_last = True
        return await answer if isinstance(answer, Coroutine) else answer

    def _decided(self, request: Txn, revision: int, caller: Caller) -> Steps[txn_plan.Plan]:
        plan = yield from txn_plan.decided(self._store, request, revision)
        return (yield from self._completed(plan, revision, caller))

    def _completed(
        self, plan: txn_plan.Plan, revision: int, caller: Caller
    ) -> Steps[txn_plan.Plan]:
        """Make what can be made of a transaction, and find out how large the reply will be."""
        budget, weight = self._loan(caller).account.budget, 0
        room = budget.limit - budget.used

        def add(size: int) -> None:
            nonlocal weight
            weight += size
            if weight > room:
                raise MemoryBudgetError

        try:
            yield from weigh(self._store, plan.weighed, revision, add)
        except MemoryBudgetError:
            # However much it is: it will be refused when it has its turn.
            weight = budget.limit + 1
        made = yield from columns_of(self._store, plan.path)
        return plan._replace(weight=weight, columns=made)

    def _write_decided(
        self, plan: txn_plan.Plan, request: Txn, caller: Caller, *, is_last: bool
    ) -> Answer:
        """
        Write a transaction that was decided.

        Raises:
            _ChangedError: What it compares has changed since, and this is not the last time that
                it is decided.

        """
        known = plan if txn_plan.still_holds(self._store, plan) else None
        if known is None and not is_last:
            raise _ChangedError
        who = self._admit_txn(request, caller)
        later = Later(self._store)
        return self._write(request, self._txn(request, caller, who, later, known))

    async def _read_txn(self, request: Txn, caller: Caller) -> Reply:
        """Answer a transaction that only reads, and has been let in."""
        loan = self._loan(caller)
        while True:
            revision = self._store.durable_revision
            header = self._headers.at(revision)
            steps = txn.read_txn(self._store, request, revision, header, loan.take)
            oldest = txn.oldest_read(request, revision)
            try:
                return await self._in_slices(steps, oldest, caller, request, loan)
            except NoRoomYetError:
                await loan.room()
            finally:
                loan.close()
            self._admit_read_txn(request, caller)

    def _loan(self, caller: Caller) -> Loan:
        """Return what a caller's request holds while it is worked on, nothing yet."""
        # Only a client of the native transport has a connection of its own that could be held up.
        account: Account | None = getattr(caller, "memory", None)
        return Loan(account or self._account)

    def _keep(self, size: int, ready: Future[None] | None, caller: Caller) -> None:
        """Put a reply to its caller's account while it waits for the disk."""
        if ready is not None:
            loan = self._loan(caller)
            loan.keep(size)
            _close_when(ready, loan)

    async def _place(self, caller: Caller) -> None:
        """Wait until a client may begin one more long read, and has taken most of the others."""
        # Where it can be told: requests of HTTP come one after the other.
        eased: Callable[[], Awaitable[bool]] | None = getattr(caller, "eased", None)
        who = caller.peer()
        await self._crowd.place(who)
        if eased is None:
            return
        try:
            while await eased():
                await self._crowd.place(who)
        except BaseException:
            self._crowd.pass_on(who)
            raise

    async def _read_later(self, request: Txn, caller: Caller) -> Late:
        """Do what ``txn`` does when a long read of the same client has ended."""
        await self._place(caller)
        answer = self.txn(request, caller)
        return await answer if isinstance(answer, Coroutine) else answer

    async def _read_first(self, request: LongTxn, caller: Caller) -> Late:
        """Do what ``txn`` does with a request that is not read yet."""
        # For what it reads, should it read.
        with self._store.pinned(self._store.revision):
            await self._baton.run(self._read_and_check(request, caller))
        answer = self.txn(request, caller)
        return await answer if isinstance(answer, Coroutine) else answer

    def _read_and_check(self, request: LongTxn, caller: Caller) -> Steps[None]:
        most = self._admission.max_txn_ops
        try:
            yield from request.read(most)
        except DecodeError:
            raise UnreadableRequestError from None
        request.cost = yield from long_txn_cost(request)
        try:
            yield from check_long_txn(request, most)
        except EtcdError as error:
            # For the gates to raise, among all else that may be wrong with it. Its kind alone: an
            # error holds on to where it was raised, and that to the request.
            request.fault = type(error)
            return
        guard = self._admission.guard
        if guard is not None:
            yield from guard.look_through(request, caller)
        if not txn.is_read_only(request):
            yield from txn_plan.plan(self._store, request)
        if request.plan is not None:
            revision = self._store.revision
            request.plan = yield from self._completed(request.plan, revision, caller)

    def _txn(
        self,
        request: Txn,
        caller: Caller,
        who: Who,
        later: Later | None,
        known: txn_plan.Plan | None = None,
    ) -> Steps[Started[DeferredReply]]:
        write, loan = self._store.begin(), self._loan(caller)
        try:
            result = yield from txn.apply_txn(
                self._store, write, request, self._lease_exists, loan.take, known, later
            )
        except EtcdError as error:
            loan.close()
            if self._audit is not None:
                self._audit.refused(error, "txn", request, caller, who)
            raise
        if self._audit is not None and write.sub:
            self._audit.txn(request, caller, who, result)
        reply = self._txn_reply(result, later)
        return started(self._behind(write.commit(), reply, loan))

    def _txn_reply(self, result: TxnResult, later: Later | None) -> Steps[Reply]:
        header = self._headers.at(result.revision)
        if later is None or not later.oldest:
            return (yield from txn.encode_result(header, result, later))
        # Kept from being compacted until then.
        with self._store.pinned(later.oldest):
            return (yield from txn.encode_result(header, result, later))

    async def compact(self, request: pb.CompactionRequest, caller: Caller) -> bytes:
        """
        Forget history; a physical compaction is answered when the rows are gone.

        Returns:
            An encoded CompactionResponse.

        """
        await self._writer.idle(caller.peer())
        who = self._admit_compact(request, caller)
        # Of before the compaction, as etcd has it, whose compactions have no revision.
        revision = self._store.revision
        header = self._headers.at(revision)
        try:
            decision, done = self._parts.compactor.schedule(request.revision)
            # For the revision of the reply. (etcd: apply/backend.go, Compaction)
            self._operations.ranges += 1
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, "compact", request, caller, who)
            # It may have been refused for a compaction that a crash could still take back.
            await self._settled()
            raise
        if self._audit is not None:
            self._audit.changed("compact", request, caller, who, revision)
        if durable := self._log.until(decision):
            await durable
        if request.physical:
            await done
        return header

    async def _in_turn(
        self, method: Callable[[Any, Caller], Answer], request: Any, caller: Caller
    ) -> Late:
        """Do a write once the one that goes in slices is done."""
        await self._writer.idle(caller.peer())
        answer = self._writer.in_turn(lambda: method(request, caller))
        return await answer if isinstance(answer, Coroutine) else answer

    def _write(self, request: Any, steps: Steps[Started[DeferredReply]]) -> Answer:
        """Run a write, and make its reply, for which no other write has to wait."""
        began = stopwatch()
        try:
            written = self._writer.start(steps)
        except EtcdError as error:
            return self._refuse(error)
        if not isinstance(written, DeferredReply):
            return self._finished(request, written, began)
        self._slow.applied(request, written.response, stopwatch() - began)
        return written

    async def _finished(
        self,
        request: Any,
        written: Unfinished[Started[DeferredReply]] | Steps[DeferredReply],
        began: float,
    ) -> DeferredReply:
        """Wait for a write, or only its reply, that goes in slices."""
        if isinstance(written, Unfinished):
            try:
                reply = await written.result
            except EtcdError:
                await self._settled()
                raise
        else:
            reply = written
        if not isinstance(reply, DeferredReply):
            reply = await self._baton.rest(reply)
        self._slow.applied(request, reply.response, stopwatch() - began)
        return reply

    async def _refuse(self, error: EtcdError) -> Reply:
        """Refuse a request when the state from which it was judged is durable."""
        await self._settled()
        raise error

    async def _in_slices(
        self,
        steps: Steps[T],
        revision: int,
        caller: Caller,
        request: Any = None,
        loan: Loan | None = None,
    ) -> T:
        """
        Run ``steps``, letting others run in between; compaction waits meanwhile.

        Args:
            steps: What to run.
            revision: The oldest that they read.
            caller: Who asked.
            request: What to name if they take long, None if that is not to be told.
            loan: What they hold is put to it.

        Raises:
            NoRoomYetError: The caller holds more than its share of the memory. Nothing was done;
                it is to be tried again when there is room, and compaction does not wait for that.

        """
        began = stopwatch() if self._times_all else 0.0
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            if began and request is not None:
                self._slow.applied(request, result, stopwatch() - began)
            return result
        # Not timed from the start: most reads end there, and a clock would be a part of them.
        began = began or stopwatch()
        asked = self._admission.auth_revision
        with self._store.pinned(revision), self._crowd.among(caller.peer()):
            finished = await self._baton.rest(steps, None if loan is None else loan.check)
        self._admission.check_unchanged(asked)
        if request is not None:
            self._slow.applied(request, finished, stopwatch() - began)
        return finished


def _answer(
    store: Store, request: pb.RangeRequest, revision: int, header: bytes, loan: Loan | None = None
) -> Steps[Reply]:
    hold = None if loan is None else loan.take
    result = yield from select(store, request, revision, hold)
    return (yield from replies.range_reply_steps(header, result))


def _close_when(ready: Future[None] | None, loan: Loan) -> None:
    """Close a loan when a reply may be sent: from then on it is the transport's."""
    if ready is None or not loan.size:
        loan.close()
    else:
        ready.add_done_callback(lambda _: loan.close())


def _begin(
    store: Store, request: pb.RangeRequest, revision: int, size: int
) -> Steps[tuple[Pages, Page]]:
    pages = yield from open_pages(store, request, revision)
    return pages, (yield from pages.read(size))


def _next_size(size: int, sent_bytes: int, target: int) -> int:
    if sent_bytes < target // 2:
        return size * 2
    return max(size // 2, 1) if sent_bytes > target * 2 else size
