"""
Clients of v2's locks and leader elections that contend for one of them.

Each asks under a value of its own, so that it finds its place again if the server goes away. What
a client believes is told to the ledger: that it holds the lock from the answer on until it asks to
give it back. Two who believe so at once are two holders, as no lock here runs out of its time
unless its holder is done with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.locks.queue_client import Ledger
from tests.support.http_calls import Reply, call
from tests.support.servers import Server

LOCK, LEADER = "/mod/v2/lock/contest", "/mod/v2/leader/contest"
#: Far longer than anybody holds or waits, also on a busy machine; and what a dead client costs that
#: waits, or that has held: longer than an answer to it can take to be read.
LONG_TTL, SHORT_TTL, HOLDER_TTL = 300, 1, 3
HELD, CLOSED = "failed to acquire lock\n", "lock watch closed\n"


@dataclass
class Contest:
    """What all clients know together: the ledger, and by which indexes it was held."""

    server: Server
    ledger: Ledger
    indexes: list[int] = field(default_factory=list)

    def take(self, client: int, index: int) -> None:
        self.ledger.take(client)
        # Whose number is the lowest holds it, and nobody gets a number below another's.
        last = self.indexes[-1] if self.indexes else 0
        assert index > last, f"{index} holds it behind {last}: out of order, or twice"
        self.indexes.append(index)

    async def ask(
        self, method: str, target: str, form: dict[str, str] | None = None
    ) -> tuple[Reply, bool]:
        """Return an answer, and whether the server was away meanwhile; then it was asked again."""
        # An odd number: it is ending just now.
        ends = self.ledger.kills // 2 * 2
        while True:
            try:
                reply = await call(self.server.address, method, target, form)
            except OSError:
                self.ledger.events["server away"] += 1
                await asyncio.sleep(0.1)
                continue
            was_away = self.ledger.kills > ends
            # Who waits is told so when the server is about to stop.
            if not (was_away and reply.body == CLOSED and "timeout" not in (form or {})):
                return reply, was_away
            self.ledger.events["told to come back"] += 1
            await asyncio.sleep(0.1)


class Contender:
    """One client."""

    def __init__(self, number: int, contest: Contest, seed: float) -> None:
        self.number = number
        self._contest = contest
        self._events = contest.ledger.events
        self._chance = random.Random(seed)
        self._lives = 0
        self._value = ""
        self._be_born()

    def _be_born(self) -> None:
        self._lives += 1
        self._value = f"{self.number}.{self._lives}"

    async def run(self) -> None:
        """Do one thing after the other, chosen at random, until there were enough rounds."""
        actions: dict[Callable[[], Awaitable[None]], float] = {
            self._hold_and_release: 100,
            self._lead_and_resign: 30,
            self._try_once: 10,
            self._wait_for_a_while: 10,
            self._hang_up: 10,
            self._die_waiting: 4,
            self._die_holding: 0.3,
        }
        # Each is done once at least, whatever the chances are.
        if self.number < len(actions):
            await [*actions][self.number]()
        while not self._contest.ledger.is_over:
            (action,) = self._chance.choices([*actions], [*actions.values()])
            await action()

    # ------------------------------------------------------------ what they do

    async def _hold_and_release(self) -> None:
        await self._hold(LONG_TTL)
        self._contest.ledger.give_up(self.number)
        await self._leave()

    async def _lead_and_resign(self) -> None:
        form = {"ttl": str(LONG_TTL), "name": self._value}
        reply, _ = await self._contest.ask("PUT", LEADER, form)
        self._take(reply)
        again, _ = await self._contest.ask("PUT", LEADER, form)
        assert again == reply, "who leads and asks again has another place"
        self._contest.ledger.give_up(self.number)
        self._events["led"] += 1
        reply, was_away = await self._contest.ask("DELETE", f"{LEADER}?name={self._value}")
        assert reply.status == 200 or (was_away and reply.status == 404), reply

    async def _try_once(self) -> None:
        await self._try("0", HELD)

    async def _wait_for_a_while(self) -> None:
        await self._try("1", CLOSED)

    async def _try(self, timeout: str, refusal: str) -> None:
        form = {"ttl": str(LONG_TTL), "value": self._value, "timeout": timeout}
        reply, was_away = await self._contest.ask("POST", LOCK, form)
        if reply.status == 200:
            self._take(reply)
            self._contest.ledger.give_up(self.number)
            await self._leave()
        else:
            assert (reply.status, reply.body) == (500, refusal), reply
            self._events["given up"] += 1
            await self._check_it_is_gone(was_away)

    async def _hang_up(self) -> None:
        """Wait for a moment only, and see to it that nothing is left."""
        await self._wait_in_vain(SHORT_TTL)
        self._events["hung up"] += 1
        await self._contest.ask("DELETE", f"{LOCK}?value={self._value}")
        self._be_born()

    async def _die_waiting(self) -> None:
        """Wait for a moment only, and never be heard of again."""
        await self._wait_in_vain(SHORT_TTL)
        self._events["died waiting"] += 1
        self._be_born()

    async def _die_holding(self) -> None:
        """Hold it, and let its time run out."""
        reply, _ = await self._contest.ask("POST", LOCK, self._form(HOLDER_TTL))
        self._take(reply)
        self._contest.ledger.give_up(self.number)
        self._events["died holding"] += 1
        self._be_born()

    # ----------------------------------------------------------------- helpers

    async def _hold(self, ttl: int) -> None:
        reply, _ = await self._contest.ask("POST", LOCK, self._form(ttl))
        self._take(reply)

    async def _wait_in_vain(self, ttl: int) -> None:
        waiting = asyncio.ensure_future(self._contest.ask("POST", LOCK, self._form(ttl)))
        await asyncio.wait([waiting], timeout=self._chance.uniform(0, 0.05))
        waiting.cancel()
        await asyncio.wait([waiting])

    def _form(self, ttl: int) -> dict[str, str]:
        return {"ttl": str(ttl), "value": self._value}

    def _take(self, reply: Reply) -> None:
        assert reply.status == 200, reply
        self._contest.take(self.number, int(reply.body))

    async def _leave(self) -> None:
        reply, was_away = await self._contest.ask("DELETE", f"{LOCK}?value={self._value}")
        # It may have been heard before the server went away.
        assert reply.status == 200 or (was_away and reply.status == 404), reply

    async def _check_it_is_gone(self, was_away: bool) -> None:
        reply, _ = await self._contest.ask("DELETE", f"{LOCK}?value={self._value}")
        # A place whose request was cut off by the end of the server is left to its value.
        assert reply.status == 404 or was_away, "a place is left of who was told to go"
