"""
A lease, and what can become of it.

                 renew, checkpoint
                      ┌───┐
                      ▼   │        expire          revoke
    grant ────────▶  GRANTED  ────────▶  EXPIRED  ────────▶  REVOKED
                        │                ▲    │                 ▲
                        │                └────┘                 │
                        │                expire: its revocation │
                        └──────────────────── failed ───────────┘
                               revoke
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from etcdpy.pb.lease_pb2 import Lease as StoredLease
from etcdpy.pb.wire import number


class IllegalMoveError(RuntimeError):
    """Something happened to a lease that cannot in its state: a mistake of ours."""


class LeaseState(IntEnum):
    """
    What has become of a lease.

    GRANTED: It lives, or has run out and nobody has looked since.
    EXPIRED: It has run out, and was handed out to be revoked; there is no way back.
    REVOKED: It is gone, and so are its keys.
    """

    GRANTED = 0
    EXPIRED = 1
    REVOKED = 2


class LeaseInput(IntEnum):
    """
    What happens to a lease.

    RENEW: Its holder keeps it alive.
    CHECKPOINT: What it has left is written down.
    EXPIRE: It is handed out to be revoked, as it has run out.
    REVOKE: It is revoked, whether it had run out or not.
    """

    RENEW = 0
    CHECKPOINT = 1
    EXPIRE = 2
    REVOKE = 3


LEASE_MOVES: Final = {
    (LeaseState.GRANTED, LeaseInput.RENEW): LeaseState.GRANTED,
    (LeaseState.GRANTED, LeaseInput.CHECKPOINT): LeaseState.GRANTED,
    (LeaseState.GRANTED, LeaseInput.EXPIRE): LeaseState.EXPIRED,
    (LeaseState.GRANTED, LeaseInput.REVOKE): LeaseState.REVOKED,
    (LeaseState.EXPIRED, LeaseInput.EXPIRE): LeaseState.EXPIRED,
    (LeaseState.EXPIRED, LeaseInput.REVOKE): LeaseState.REVOKED,
}


class Lease:
    """
    A lease.

    Attributes:
        lease_id: Its number, any int64 but 0.
        ttl: What was granted, in seconds.
        deadline: When it runs out, on the clock of the lessor's callers.
        due: When the lessor looks at it next: at its deadline or before, until that has
            passed.
        checkpoint: Seconds that were left when that was last written down; 0 if never.
        fields: Its number and time to live, encoded as replies to grants and renewals have
            them.
        state: What has become of it.

    """

    __slots__ = ("checkpoint", "deadline", "due", "fields", "lease_id", "state", "ttl")

    def __init__(self, lease_id: int, ttl: int, deadline: float, checkpoint: int = 0) -> None:
        self.lease_id = lease_id
        self.ttl = ttl
        self.deadline = self.due = deadline
        self.checkpoint = checkpoint
        self.fields = number(2, lease_id) + number(3, ttl)
        self.state = LeaseState.GRANTED

    @property
    def span(self) -> int:
        """Seconds that it has when a server starts: what its checkpoint left of its ttl."""
        return self.checkpoint or self.ttl

    def remaining(self, now: float) -> float:
        """Return the seconds that the lease has left; negative once it has run out."""
        return self.deadline - now

    def move(self, given: LeaseInput) -> None:
        """
        Note what happened to the lease.

        Raises:
            IllegalMoveError: If that cannot happen to it any more.

        """
        following = LEASE_MOVES.get((self.state, given))
        if following is None:
            raise IllegalMoveError(f"lease {self.lease_id}: {given.name} in {self.state.name}")
        self.state = following

    def encoded(self) -> bytes:
        """Return the lease as it is stored."""
        stored = StoredLease(ID=self.lease_id, TTL=self.ttl, RemainingTTL=self.checkpoint)
        return stored.SerializeToString()
