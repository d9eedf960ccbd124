"""What a call in progress needs of the connection on which it arrived."""

from __future__ import annotations

from typing import Protocol

from etcdpy.clock import Clock
from etcdpy.cooperative import Turnstile
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.sender import Sender


class Channel(Protocol):
    """
    The way back to the client, for handlers and for the dispatcher that runs them.

    Attributes:
        sender: What answers go out by.
        peer: The client's address as gRPC writes it.
        certificate_name: The common name of its certificate, ``""`` if that has none; None if it
            has shown none, or if its name does not say who it is.
        now: When what was read last had arrived, in monotonic seconds.
        turnstile: Where streams wait whose requests are many.

    """

    sender: Sender
    peer: str
    certificate_name: str | None
    now: float
    turnstile: Turnstile

    @property
    def is_secure(self) -> bool:
        """Whether the connection is over TLS."""

    @property
    def clock(self) -> Clock:
        """What deadlines are on."""

    def touch(self) -> None:
        """Have output written soon; without effect while input is read, which ends in a write."""

    def flush(self) -> None:
        """Have output written now, after many calls at once were answered."""

    def expect(self, call: Call) -> None:
        """Let the next request of a stream go straight to its handler, which waits for it."""

    def expect_no_more(self, call: Call) -> None:
        """Keep what arrives on a stream until it is asked for. Harmless if that is so already."""

    def orphaned(self) -> None:
        """Note a handler that goes on without its stream; it still counts as a live one."""

    def orphan_ended(self) -> None:
        """Note that such a handler has ended."""
