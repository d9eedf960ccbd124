"""What a connection expects of the dispatcher that runs the handlers."""

from __future__ import annotations

from typing import Protocol

from etcdpy.clock import Clock
from etcdpy.cooperative import Turnstile
from etcdpy.memory import Account
from etcdpy.transport.grpc.context import Context


class CallHandler(Protocol):
    """
    Runs the handlers of calls.

    Attributes:
        call_type: What to make of a request.
        clock: What deadlines are on.
        turnstile: Where streams wait whose requests are many.

    """

    call_type: type[Context]
    clock: Clock
    turnstile: Turnstile

    def start_unary(self, call: Context, message: bytes) -> None:
        """Run the handler of a method that takes one request."""

    def start_stream(self, call: Context) -> None:
        """Run the handler of a method that takes a stream of requests."""

    def answer_one(self, call: Context, message: bytes) -> None:
        """Answer the next request of a stream that is expected; see :meth:`.Channel.expect`."""

    def answer_arrived(self, call: Context) -> None:
        """Answer what waits in a stream each of whose requests gets a response; see to its end."""

    def start_http(self, call: Context, body: bytes | None) -> None:
        """Answer a request that is not gRPC; its body is None if that was too long."""

    def cancel(self, call: Context) -> None:
        """Stop the handler, if it runs, of a call whose stream is closed: nobody will answer it."""

    def watch(self, call: Context) -> None:
        """End a call at its deadline, if it has one."""

    def unwatch(self, call: Context) -> None:
        """Watch the deadline of a call no more."""


class Driver(Protocol):
    """Writes what a connection has to send."""

    def schedule(self) -> None:
        """Write in the next turn of the loop, with all that comes until then."""

    def flush(self) -> None:
        """Write now."""

    def go_on(self) -> None:
        """Have ``start_complete`` called when others have had their turn."""

    def read_later(self, account: Account) -> bool:
        """Read no more while an account is over its share; return False if it is read on."""
