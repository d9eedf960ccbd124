"""
How much waits to be sent to the clients of all watches together.

What waits for one client is bounded by ``output.QUEUE_BYTES``, and by one response more: a
megabyte and sixteen. Ten thousand clients that do not read would hold 170 GB. So from a quarter
of a gigabyte on, each has what waits for it already and nothing more, and whoever has room gets
responses of 64 KB: ten thousand of them add 640 MB. The same from their share of the budget of
memory on, where that is less.
"""

from __future__ import annotations

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
        size: In bytes, each response with something for keeping it.
        responses: How many there are.

    """

    __slots__ = ("_account", "responses", "size")

    def __init__(self, account: Account | None = None) -> None:
        self.size = self.responses = 0
        self._account = account or Account()

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
    def response_limit(self) -> int:
        """How many bytes of history a response may have."""
        return STRAINED_RESPONSE_BYTES if self.is_strained else BYTES_PER_RESPONSE
