"""
Tokens that are random texts, and whose meaning is remembered here: ``kQmDvYwTzXaLbHsR.17``.

One that is not used for its time to live is forgotten. To find those without looking at all of
them each second, every token waits in the bucket of the second in which it would end if it were
never used again, and a use only notes in which turn of the clock it was. TTL 5, looked at once a
second::

    turn 0   login: seen 0, waits for turn 6
    turn 4   a request: seen 4, still waits for turn 6
    turn 6   due, but seen 4: waits for turn 10 now
    turn 10  due and seen 4: forgotten, between five and six seconds after its last use

etcd looks once a second as well, so tokens live as long there. (etcd: auth/simple_token.go)
"""

from __future__ import annotations

import heapq
import secrets
import string

from etcdpy.auth.identity import Identity
from etcdpy.clock import Clock, Timer

__all__ = ["MOST_TOKENS", "SimpleTokens"]

#: How many are remembered at once; measured, one takes 190 bytes. A login costs a hash of the
#: password, so in five minutes a busy core makes six thousand of them. etcd has no limit.
MOST_TOKENS = 100_000
#: Seconds without use, unless it is said. (etcd: ``simpleTokenTTLDefault``)
DEFAULT_TTL = 300
#: Seconds from one look at the tokens to the next. (etcd: ``simpleTokenTTLResolution``)
_TURN_SECONDS = 1.0
#: How many are looked at for one that is not in use, when a new one needs its place.
_LOOKED_AT = 100

#: (etcd: ``letters``, ``defaultSimpleTokenLength``)
_LETTERS = string.ascii_letters
_LENGTH = 16


class SimpleTokens:
    """
    The provider of simple tokens. They do not outlive it.

    A well-formed token that is not known is not valid. etcd would wait for it until the call's
    deadline, as another member may have handed it out; there is none here.

    Args:
        ttl_seconds: How long a token lives unused; 0 stands for 300.
        clock: Counts those seconds.
        most: How many there may be. One more, and one that was not used for long is forgotten.

    """

    def __init__(self, ttl_seconds: int, clock: Clock, most: int = MOST_TOKENS) -> None:
        self._ttl = ttl_seconds or DEFAULT_TTL
        self._clock = clock
        self._most = most
        self._tokens: dict[str, _Entry] = {}
        self._holders: dict[str, _Holder] = {}
        # Turn to the tokens to be looked at then; the turns are in a heap as well.
        self._buckets: dict[int, list[str]] = {}
        self._turns: list[int] = []
        self._turn = 0
        self._handed_out = 0
        self._next_turn = 0.0
        self._timer: Timer | None = None

    def assign(self, user: str, revision: int) -> str:
        """Return a new token that stands for ``user``, at whatever the auth revision is."""
        while len(self._tokens) >= self._most:
            self._forget_one()
        if self._timer is None:
            self._next_turn = self._clock.monotonic()
            self._await_turn()
        self._handed_out += 1
        # The number, which is that of an entry of the log in etcd, makes it unique as well.
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        token = f"{letters}.{self._handed_out}"
        holder = self._holders.get(user)
        if holder is None:
            holder = self._holders[user] = _Holder(Identity(user, None))
        self._tokens[token] = entry = _Entry(holder, self._turn)
        self._put(token, self._end_of(entry))
        return token

    def identify(self, token: str) -> Identity | None:
        """Return whom ``token`` stands for, None if it is not known, or not any more."""
        entry = self._tokens.get(token)
        if entry is None:
            return None
        entry.seen = self._turn
        return entry.holder.identity

    def drop_user(self, user: str) -> None:
        """Let no token of ``user`` be valid any more. One assigned later is."""
        holder = self._holders.pop(user, None)
        if holder is not None:
            # All its tokens have this; they are forgotten when their time has come.
            holder.identity = None

    def drop_all(self) -> None:
        """Forget every token."""
        self._tokens.clear()
        self._holders.clear()
        self._buckets.clear()
        self._turns.clear()
        self.close()

    def close(self) -> None:
        """Look at no token any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        """Return how many are remembered, those of dropped users included."""
        return len(self._tokens)

    def _end_of(self, entry: _Entry) -> int:
        """Return the turn at which a token ends that is not used again."""
        # It was used at the end of that turn, for all that is known.
        return entry.seen + self._ttl + 1

    def _put(self, token: str, turn: int) -> None:
        bucket = self._buckets.get(turn)
        if bucket is None:
            bucket = self._buckets[turn] = []
            heapq.heappush(self._turns, turn)
        bucket.append(token)

    def _await_turn(self) -> None:
        self._next_turn += _TURN_SECONDS
        self._timer = self._clock.wake_at(self._next_turn, self._take_turn)

    def _take_turn(self) -> None:
        self._turn += 1
        while self._turns and self._turns[0] <= self._turn:
            for token in self._buckets.pop(heapq.heappop(self._turns)):
                self._look_at(token, self._turn)
        if self._tokens:
            self._await_turn()
        else:
            self._timer = None

    def _look_at(self, token: str, turn: int) -> bool:
        """Forget a token that has waited until ``turn``, or let it go on; tell whether it went."""
        entry = self._tokens[token]
        end = self._end_of(entry)
        if entry.holder.identity is not None and end > turn:
            self._put(token, end)
            return False
        del self._tokens[token]
        return True

    def _forget_one(self) -> None:
        """Make room: forget a token that was not used for long, if a look at some finds one."""
        for _ in range(_LOOKED_AT):
            turn, token = self._first()
            if self._look_at(token, turn):
                return
        _, token = self._first()
        del self._tokens[token]

    def _first(self) -> tuple[int, str]:
        """Take out a token of those that wait for the earliest turn."""
        turn = self._turns[0]
        bucket = self._buckets[turn]
        token = bucket.pop()
        if not bucket:
            del self._buckets[turn]
            heapq.heappop(self._turns)
        return turn, token


class _Holder:
    """
    Whom all tokens of a user stand for.

    Attributes:
        identity: That; None once they are not valid any more.

    """

    __slots__ = ("identity",)

    def __init__(self, identity: Identity) -> None:
        self.identity: Identity | None = identity


class _Entry:
    """
    What is remembered of a token.

    Attributes:
        holder: Whose it is.
        seen: The turn in which it was last used.

    """

    __slots__ = ("holder", "seen")

    def __init__(self, holder: _Holder, seen: int) -> None:
        self.holder = holder
        self.seen = seen
