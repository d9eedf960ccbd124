"""What a connection expects of those who run the handlers."""

from __future__ import annotations

from typing import Protocol

from etcdpy.transport.grpc.call import Call


class CallHandler(Protocol):
    """
    Who runs the handlers.

    Attributes:
        call_type: What to make of a request: a subclass of Call.

    """

    call_type: type[Call]

    def start_unary(self, call: Call, message: bytes) -> None:
        """Run the handler of a method that takes one request."""

    def start_stream(self, call: Call) -> None:
        """Run the handler of a method that takes a stream of requests."""

    def answer_one(self, call: Call, message: bytes) -> None:
        """Answer the next request of a stream in ``connection.awaiting_next``."""

    def answer_arrived(self, call: Call) -> None:
        """Answer what waits in a stream each of whose requests gets a response; see to its end."""

    def start_http(self, call: Call, body: bytes | None) -> None:
        """Answer a request that is not gRPC; its body is None if that was too long."""

    def cancel(self, call: Call) -> None:
        """Forget a call and stop its handler: the client will not read an answer."""

    def watch(self, call: Call) -> None:
        """End a call at its deadline."""

    def unwatch(self, call: Call) -> None:
        """Do not."""
