"""
Few at a time, in rounds: of those who wait, one of each client and then the next of each.

So however many calls one client has waiting, another one's waits for one of them. Where there is no
room for more, those are refused that have come last of the client that has most waiting.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from etcdpy.errors import TooManyRequestsError

__all__ = ["Rounds"]


class _Waiting(NamedTuple):
    """
    One who waits.

    Attributes:
        called: Resolved when it may go on, or failed when it is refused.
        places: What it takes up.

    """

    called: Future[None]
    places: int


class Rounds:
    """
    Lets few go on at a time.

    Args:
        at_once: How many.
        most: How many places there are for those who go on and those who wait.

    """

    __slots__ = ("_free", "_most", "_taken", "_waiting", "_wanted")

    def __init__(self, at_once: int, most: int) -> None:
        self._free = at_once
        self._most: Final = most
        self._taken = 0
        # By client, if it has any; who was called last is behind all others.
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        # How many places those take up.
        self._wanted: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, who: str, places: int) -> AsyncIterator[None]:
        """
        Wait until it is the turn of a client, which has it until the block ends.

        Args:
            who: The client.
            places: What this takes up meanwhile.

        Raises:
            TooManyRequestsError: There is no room, or others need what this took up of it.

        """
        self._make_room(who, places)
        self._taken += places
        if self._free:
            self._free -= 1
        else:
            await self._wait(who, places)
        try:
            yield
        finally:
            self._taken -= places
            self._free += 1
            self._call_next()

    def close(self) -> None:
        """Cancel all who wait."""
        for waiting in self._waiting.values():
            for one in waiting:
                one.called.cancel()

    async def _wait(self, who: str, places: int) -> None:
        one = _Waiting(asyncio.get_running_loop().create_future(), places)
        self._waiting.setdefault(who, deque()).append(one)
        self._wanted[who] = self._wanted.get(who, 0) + places
        try:
            await one.called
        except BaseException:
            if one in self._waiting.get(who, ()):
                self._remove(who, one)
            elif not one.called.cancelled() and one.called.exception() is None:
                # It has been called, and is cancelled before that could be seen.
                self._taken -= places
                self._free += 1
                self._call_next()
            raise

    def _make_room(self, who: str, places: int) -> None:
        while self._taken + places > self._most:
            greediest = max(self._wanted, key=self._wanted.__getitem__, default=who)
            if self._wanted.get(greediest, 0) <= self._wanted.get(who, 0) + places:
                raise TooManyRequestsError
            one = self._waiting[greediest][-1]
            self._remove(greediest, one)
            if not one.called.done():  # cancelled
                one.called.set_exception(TooManyRequestsError())

    def _call_next(self) -> None:
        while self._waiting:
            who, waiting = next(iter(self._waiting.items()))
            one = waiting[0]
            self._remove(who, one)
            if not one.called.done():  # cancelled
                if who in self._waiting:
                    self._waiting.move_to_end(who)
                self._taken += one.places
                self._free -= 1
                one.called.set_result(None)
                return

    def _remove(self, who: str, one: _Waiting) -> None:
        """Have one not be among those who wait any more, and give back what it took up."""
        waiting = self._waiting[who]
        waiting.remove(one)
        self._taken -= one.places
        self._wanted[who] -= one.places
        if not waiting:
            del self._waiting[who], self._wanted[who]
