"""Finding answers that the client asked for but does not let out."""

from __future__ import annotations

from collections.abc import Iterable

from etcdpy.transport.grpc.call import Call
from etcdpy.transport.limits import STALLED_STREAM_SECONDS


class Stalls:
    """
    Finds answered calls whose output has not moved for too long.

    A call whose handler still runs is none of them: a reader may be slow (a watch that nobody
    looks at), and its queue is bounded.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        # How many bytes each call had sent, and since when it has not sent more.
        self._seen: dict[Call, tuple[int, float]] = {}

    def find(
        self, calls: Iterable[Call], now: float, seconds: float = STALLED_STREAM_SECONDS
    ) -> list[Call]:
        """
        Look at all open calls, about once a second, and return those to cut.

        Args:
            calls: Those.
            now: In monotonic seconds.
            seconds: How long one may take that does not move.

        """
        seen: dict[Call, tuple[int, float]] = {}
        stalled: list[Call] = []
        for call in calls:
            outgoing = call.outgoing
            if outgoing is None or not outgoing.queue:
                continue
            if outgoing.trailers is None and not outgoing.owed:
                continue
            sent, since = self._seen.get(call, (-1, now))
            if sent != outgoing.sent:
                since = now
            if now - since >= seconds:
                stalled.append(call)
            else:
                seen[call] = (outgoing.sent, since)
        self._seen = seen
        return stalled
