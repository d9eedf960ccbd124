"""
Replies to ranges that are too long to be held: read through once, and made while they are taken.

A message says how long it is before it begins. So a reply of which more than ``SMALL`` is there is
thrown away and only measured from then on, where memory is wanted for other things, and one of more
than ``LARGEST`` always. The range is read once more for the one who takes it, in pieces. That costs
twice the time, and what is held of it is one piece, and its keys where they had to be chosen.

What it shows is that of one revision, whose rows compaction leaves alone meanwhile, but not for
longer than ``PINNED_SECONDS``: a client that reads a byte a minute is no reason to keep history. It
is made beyond that as long as nothing has been compacted that it shows; else its stream is reset.
No transaction of the database is held in between: each piece is read in one of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, Final

from etcdpy.clock import Clock
from etcdpy.cooperative import Baton, LongReply, Pieces, Steps
from etcdpy.errors import CompactedError
from etcdpy.memory import Loan
from etcdpy.mvcc.long_range import Measured, Reading, encode
from etcdpy.mvcc.ranges import choose, is_in_key_order
from etcdpy.mvcc.replies import PIECE_BYTES
from etcdpy.mvcc.store import Store
from etcdpy.pb.rpc_pb2 import RangeRequest

__all__ = ["LARGEST", "PINNED_SECONDS", "SMALL", "LongReplies"]

SMALL: Final = 1 << 20
"""Bytes of a reply that is held whole as long as there is any room."""

LARGEST: Final = 16 << 20
"""The same as long as no more than a quarter of the memory budget is used."""

PINNED_SECONDS: Final = 10.0
"""How long compaction waits for one that is being sent."""

LONGEST: Final = (1 << 31) - 1
"""Bytes of a message that gRPC's libraries send at most."""


class LongReplies:
    """
    Answers ranges of more than one key, with long replies where they have to be.

    Args:
        store: What is read.
        clock: What pins are on.
        baton: Of all that goes in slices.

    """

    def __init__(self, store: Store, clock: Clock, baton: Baton) -> None:
        self._store = store
        self._clock = clock
        self._baton = baton

    def answer(
        self, request: RangeRequest, revision: int, header: bytes, loan: Loan, caller: Any
    ) -> Steps[bytes | Pieces | LongReply]:
        """
        Answer a range.

        Args:
            request: Checked; see ``has_many``.
            revision: What it shows, pinned.
            header: The encoded header field.
            loan: What is held is put to it.
            caller: Who asked. If it ``takes_long_replies`` it may get one, which begins to be made
                in the turn of the loop in which it is returned.

        Raises:
            MemoryBudgetError: The reply has no room, and cannot be a long one; or its keys have
                none while they are put in order.

        """
        chosen = None
        if not is_in_key_order(request):
            chosen = yield from choose(self._store, request, revision, loan.take)
        reading = Reading(self._store, request, revision, chosen)
        if not getattr(caller, "takes_long_replies", False):
            made = yield from encode(reading, header, loan.take)
        else:
            # There is always room for what is not held.
            made = yield from encode(reading, header, loan.keep, partial(_is_too_long, loan))
        if not isinstance(made, Measured):
            return made
        if made.size > LONGEST:
            raise loan.account.budget.refusal()
        pieces = self._pieces(reading, header, made, Loan(loan.account))
        return LongReply(made.size, header + made.end, pieces)

    async def _pieces(
        self, reading: Reading, header: bytes, measured: Measured, loan: Loan
    ) -> AsyncGenerator[bytes, None]:
        _check(self._store, reading)
        with closing(loan), ExitStack() as pin:
            loan.keep(reading.held)
            pin.enter_context(self._store.pinned(reading.revision))
            timer = self._clock.wake_after(PINNED_SECONDS, pin.close)
            pin.callback(timer.cancel)
            fields = reading.pieces()
            start = header
            # A piece is as long as the value in it; whoever takes it counts it from then on.
            reserved = min(measured.size, SMALL)
            made: list[bytes] = []
            while start or not reading.is_over:
                await loan.room()
                loan.keep(reserved)
                steps = self._next(reading, fields, start, measured.end)
                made.append(await self._baton.rest(steps))
                loan.keep(-reserved)
                yield made.pop()
                start = b""

    def _next(
        self, reading: Reading, fields: Iterator[bytes], start: bytes, end: bytes
    ) -> Steps[bytes]:
        """Return the next piece, with what stands before the first or behind the last."""
        parts, size = [start], 0
        while size < PIECE_BYTES:
            if not self._store.is_pinned_at(reading.revision):
                _check(self._store, reading)
            part = next(fields)
            parts.append(part)
            size += len(part)
            if reading.is_over:
                parts.append(end)
                break
            if size < PIECE_BYTES:
                yield
        return b"".join(parts)


def _is_too_long(loan: Loan) -> bool:
    """Tell whether what was read of a reply is too much to be held; then it is given back."""
    budget = loan.account.budget
    is_much = loan.size > SMALL or budget.used > budget.brim
    if loan.size <= LARGEST and not (is_much and budget.used > budget.limit // 4):
        return False
    loan.close()
    return True


def _check(store: Store, reading: Reading) -> None:
    if reading.revision < store.compact_revision:
        raise CompactedError
