"""
How much waits to be sent to the clients of all watches together.

What waits for one client is bounded by ``output.QUEUE_BYTES``, and by one response more: a
megabyte and sixteen. Ten thousand clients that do not read would hold 170 GB. So from a quarter
of a gigabyte on, each has what waits for it already and nothing more, and whoever has room gets
responses of 64 KB: ten thousand of them add 640 MB. The same from their share of the budget of
memory on, where that is less.

And once so much of that budget is used, by whomever, that nothing large may be begun, those who
have nothing waiting get nothing more: their watchers stay behind, hold nothing but how far they
have come, and go on in order as there is room again, some at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from etcdpy.memory import Account
from etcdpy.watch.reading import BYTES_PER_RESPONSE

#: Bytes that may wait for all clients before each gets less at a time. Clients that do not
#: read can make the server hold this much, and one small response or one revision for each.
BACKLOG_BYTES = 256 << 20
#: Bytes of history in one response once that much waits.
STRAINED_RESPONSE_BYTES = 64 << 10


class Backlog:
    """
    Counts what all streams have queued.

    Args:
        account: What that is put to, that of all watches.

    Attributes:
        budget: Of all accounts.
        size: In bytes, each response with something for keeping it.
        responses: How many there are.

    """

    __slots__ = ("_account", "_waiting", "budget", "responses", "size")

    def __init__(self, account: Account | None = None) -> None:
        self.size = self.responses = 0
        self._account = account or Account()
        self.budget = self._account.budget
        # Called in order as there is room.
        self._waiting: dict[Callable[[], None], None] = {}

    def count(self, size: int, responses: int) -> None:
        """Note that so much more waits, or less."""
        self.size += size
        self.responses += responses
        if size > 0:
            self._account.add(size)
        else:
            self._account.give(-size)

    @property
    def is_strained(self) -> bool:
        """Whether streams that have something queued take nothing more."""
        return self.size >= BACKLOG_BYTES or self._account.is_over

    @property
    def is_exhausted(self) -> bool:
        """Whether streams that have nothing queued take nothing either."""
        return self.budget.used > self.budget.brim

    @property
    def is_over(self) -> bool:
        """The same: what those who wait have the budget wait for."""
        return self.is_exhausted

    def wait(self, then: Callable[[], None]) -> None:
        """Call ``then`` once it is not exhausted, behind all who wait already; once, not twice."""
        if not self._waiting:
            self.budget.wait(self, self._go_on)
        self._waiting[then] = None

    def forget(self, then: Callable[[], None]) -> None:
        """Do not call it."""
        self._waiting.pop(then, None)

    def _go_on(self) -> None:
        waiting, budget = self._waiting, self.budget
        # What they are sent is read later: all at once would find no room.
        number = max(1, (budget.brim - budget.used) // STRAINED_RESPONSE_BYTES)
        for then in list(islice(waiting, number)):
            del waiting[then]
            then()
        if waiting:
            budget.wait(self, self._go_on)

    @property
    def response_limit(self) -> int:
        """How many bytes of history a response may have."""
        return STRAINED_RESPONSE_BYTES if self.is_strained else BYTES_PER_RESPONSE
