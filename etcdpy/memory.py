"""
One budget of memory for what clients have the server hold, whoever they are.

Each connection has bounds of its own; two thousand of them at their bounds would hold far more than
any machine has. So whatever is kept for a client is put to its account, and all accounts together
have a budget: requests that are not complete or wait for their turn, replies that are made or wait
to be sent, responses of watches. A budget does nothing by itself: whoever is about to hold more for
a client asks, and waits, or refuses.

Half of it is shared by those who hold much. How much one of them may hold follows from what is left
(Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998):
of 128 MiB one alone gets 32, four get 13 each, and a hundred 0.6::

    0                     ready      brim     limit
    |------- used ----|-- room --|.........|........|
                       whoever holds more than the room is over its share

Whoever is over its share is not read from, and has nothing begun that makes it hold more, until
there is room. As the room shrinks those who hold most come first, by themselves. The other half is
for those who hold little: up to the brim they may have something large begun. What is left is for
what was begun and turns out larger, and for all that is small; only when all of it is used is
something refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from etcdpy.errors import MemoryBudgetError

__all__ = ["LITTLE", "UNCOUNTED", "UNLIMITED", "Account", "Budget", "Loan", "NoRoomYetError"]

LITTLE: Final = 64 << 10
"""Bytes that an account may hold without being over its share, while the budget is not used up."""

LOOKED_AT: Final = 8
"""Accounts looked at in vain when something is given back: there may be thousands that wait."""

UNLIMITED: Final = 1 << 62
"""A limit that is none."""


class NoRoomYetError(Exception):
    """Something is to be begun again when there is room."""


class Waiting(Protocol):
    """What waits for room: an account, or a loan that is to be begun."""

    @property
    def is_over(self) -> bool:
        """Whether it still has to."""


class Budget:
    """
    What all accounts have together.

    Args:
        limit: In bytes.

    Attributes:
        limit: As given.
        ready: The half of it that those who hold much share.
        brim: Three quarters of it, beyond which nothing large is begun.
        used: The bytes that are held.
        waits: How often an account was over its share and began to wait.
        refusals: How often something was refused.
        on_reached: Called when somebody has to wait or is refused something, and nobody had to
            since ``on_left``.
        on_left: Called when nobody waits any more, and half of what is ready is free.
        on_look: Are called with each look, about once a second.
        on_glance: Called several times between two looks, while anybody is connected; told whether
            that is at a regular time.
        mark: If more bytes than that are held, ``on_mark`` is called, until the mark is set higher.
        on_mark: See there. It cannot fail.
        on_quiet: Called when what was freed is about to be given back to the system: whatever is
            kept in memory and need not be is to be put away.
        on_trim: Called a look later, right before it is given back.

    """

    __slots__ = (
        "_is_reached",
        "_waiting",
        "brim",
        "limit",
        "mark",
        "on_glance",
        "on_left",
        "on_look",
        "on_mark",
        "on_quiet",
        "on_reached",
        "on_trim",
        "ready",
        "refusals",
        "used",
        "waits",
    )

    def __init__(self, limit: int = UNLIMITED) -> None:
        self.limit = limit
        self.ready = limit // 2
        self.brim = limit - limit // 4
        self.used = 0
        self.waits = 0
        self.refusals = 0
        self.on_reached: Callable[[], None] | None = None
        self.on_left: Callable[[], None] | None = None
        self.on_look: list[Callable[[], None]] = []
        self.on_glance: Callable[[bool], None] = lambda is_timed: None
        self.mark = UNLIMITED
        self.on_mark: Callable[[], None] = lambda: None
        self.on_quiet: Callable[[], None] | None = None
        self.on_trim: Callable[[], None] | None = None
        self._is_reached = False
        self._waiting: OrderedDict[Waiting, list[Callable[[], None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return len(self._waiting)

    def wait(self, waiting: Waiting, then: Callable[[], None]) -> None:
        """Call ``then`` once what is over its share is not any more."""
        callbacks = self._waiting.get(waiting)
        if callbacks is None:
            self.waits += 1
            self._waiting[waiting] = [then]
            self._reach()
        else:
            callbacks.append(then)

    def forget(self, waiting: Waiting) -> None:
        """Let it wait no more."""
        self._waiting.pop(waiting, None)

    def refusal(self) -> MemoryBudgetError:
        """Count that something is refused, and return what to raise."""
        self.refusals += 1
        self._reach()
        return MemoryBudgetError()

    def given(self, account: Account) -> None:
        """Let some go on, as something was given back: by ``account``, which comes first."""
        if self._is_reached:
            if account in self._waiting:
                self._waiting.move_to_end(account, last=False)
            self._let_go_on(LOOKED_AT)

    def look(self) -> None:
        """Let all go on who can: about once a second, as ``given`` does not look at all of them."""
        if self._is_reached:
            self._let_go_on(len(self._waiting))
        for look in self.on_look:
            look()

    def glance(self, *, is_timed: bool = False) -> None:
        """
        Look whether the process has become larger: several times a second, if it may have.

        Args:
            is_timed: Whether this is one of those that come at regular times.

        """
        self.on_glance(is_timed)

    def _let_go_on(self, in_vain: int) -> None:
        waiting = self._waiting
        for _ in range(len(waiting)):
            if not waiting or in_vain <= 0:
                break
            account = next(iter(waiting))
            if account.is_over:
                # Others are looked at first the next time.
                waiting.move_to_end(account)
                in_vain -= 1
            else:
                for then in waiting.pop(account):
                    then()
        if not waiting and self.used <= self.ready // 2 and self._is_reached:
            self._is_reached = False
            if self.on_left is not None:
                self.on_left()

    def _reach(self) -> None:
        if not self._is_reached:
            self._is_reached = True
            if self.on_reached is not None:
                self.on_reached()


class Account:
    """
    What is held for one client, or of one kind for one.

    Args:
        budget: Which it is a part of; None for one of its own, without a limit.

    Attributes:
        budget: As given.
        held: In bytes.
        on_over: Called whenever something is added and it is over its share then.

    """

    __slots__ = ("budget", "held", "on_over")

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self.held = 0
        self.on_over: Callable[[], None] | None = None

    def add(self, size: int) -> None:
        """Note that so many bytes more are held."""
        self.held += size
        budget = self.budget
        budget.used += size
        if budget.used > budget.mark:
            budget.on_mark()
        if self.on_over is not None and self.is_over:
            self.on_over()

    def give(self, size: int) -> None:
        """Note that so many bytes are held no more, and let those go on who can then."""
        self.held -= size
        budget = self.budget
        budget.used -= size
        budget.given(self)

    @property
    def is_over(self) -> bool:
        """Whether it holds more than its share, and should not be made to hold more."""
        return self.is_over_without(0)

    @property
    def is_pressing(self) -> bool:
        """Whether it holds much while nothing large can be begun any more."""
        return self.held > LITTLE and self.budget.used > self.budget.brim

    def is_over_without(self, size: int) -> bool:
        """Tell the same as if it held so many bytes less."""
        budget, held = self.budget, self.held - size
        return held + budget.used > budget.ready and (held > LITTLE or budget.used > budget.limit)

    def close(self) -> None:
        """Give everything back: the client is gone, and nothing that comes later matters."""
        self.budget.forget(self)
        self.give(self.held)
        self.budget, self.on_over = Budget(), None


UNCOUNTED: Final = Account()
"""The account of all that nobody counts."""


class Loan:
    """
    What one piece of work holds while it goes on.

    Args:
        account: Whose it is.

    Attributes:
        account: As given.
        size: In bytes.

    """

    __slots__ = ("account", "size")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.size = 0

    @property
    def is_over(self) -> bool:
        """Whether it should not become large now."""
        # What it has itself so far is no reason to wait: it would not be given back.
        account, own = self.account, self.size
        return account.is_over_without(own) or account.budget.used - own > account.budget.brim

    def check(self) -> None:
        """
        Check that it may become large.

        Raises:
            NoRoomYetError: The account holds more than its share, or all of them hold too much.

        """
        if self.is_over:
            raise NoRoomYetError

    async def room(self) -> None:
        """Wait until it may. Safe to cancel."""
        budget = self.account.budget
        while self.is_over:
            room = asyncio.get_running_loop().create_future()
            budget.wait(self, lambda room=room: room.done() or room.set_result(None))  # type: ignore[misc]
            try:
                await room
            except asyncio.CancelledError:
                budget.forget(self)
                raise

    def take(self, size: int) -> None:
        """
        Hold so many bytes more, or fewer.

        Raises:
            MemoryBudgetError: The whole budget is used. What was taken before is still held.

        """
        budget = self.account.budget
        if size > 0 and budget.used + size > budget.limit:
            raise budget.refusal()
        self.keep(size)

    def keep(self, size: int) -> None:
        """Hold so many bytes more, or fewer, whatever there is: they are made already."""
        self.size += size
        if size >= 0:
            self.account.add(size)
        else:
            self.account.give(-size)

    def close(self) -> None:
        """Give it all back. Safe to call twice."""
        if self.size:
            size, self.size = self.size, 0
            self.account.give(size)
