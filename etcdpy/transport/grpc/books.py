"""
What must be true of a connection between any two inputs, written down and checkable.

The checks cost more than the calls. They are made while ``are_checked`` is on, as it is in tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from etcdpy.memory import Account
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.grpc.states import HandlerState, StreamState

#: Whether connections check their books after each input. Tests turn it on.
are_checked = False


class Books(Protocol):
    """
    What a connection keeps account of.

    Attributes:
        sender: The sending half.
        streams: The open streams.
        unread: What is counted of their requests.
        awaiting_next: Streams whose next request goes straight to the handler.

    """

    sender: Sender
    unread: Account

    @property
    def streams(self) -> Mapping[int, Call]:
        """Return the open streams."""

    @property
    def awaiting_next(self) -> Mapping[int, Call]:
        """Return the streams whose next request goes straight to the handler."""


def check_books(books: Books) -> None:
    """
    Compare what is counted with what is there.

    Raises:
        AssertionError: They differ: a bug.

    """
    for stream_id, call in books.streams.items():
        assert stream_id == call.stream_id
        _check_call(call)
    for stream_id, call in books.awaiting_next.items():
        assert books.streams.get(stream_id) is call, f"stream {stream_id} is expected, but closed"
        assert call.handler_state is HandlerState.RUNNING
        assert call.coroutine is None
        assert call.buffered == 0
    held = [call.incoming.held for call in books.streams.values() if call.incoming is not None]
    counted = books.unread.held
    assert counted == sum(held), f"{counted} bytes of requests are counted, {sum(held)} kept"
    _check_sender(books.sender)


def _check_call(call: Call) -> None:
    state = call.stream_state
    assert state is not StreamState.CLOSED, f"closed stream {call.stream_id} is among the open"
    assert call.bypassed >= 0
    if call.incoming is not None:
        assert call.incoming.granted == 0, "a grant was not sent"
        assert not (call.incoming.waiters and call.stream_state.is_ended_by_client)
    outgoing = call.outgoing
    is_ending = StreamState.OPEN_ENDING <= state < StreamState.CLOSED
    # Whoever ends a call for its handler may do so while data waits for a window.
    assert is_ending or call.handler_state not in (HandlerState.ORPHANED, HandlerState.CANCELLED)
    assert is_ending == (outgoing is not None and outgoing.trailers is not None)
    if outgoing is None:
        return
    waiting = sum(len(prefix) + len(body) for prefix, body in outgoing.queue)
    assert outgoing.size == waiting - outgoing.offset
    assert not outgoing.queue or state >= StreamState.OPEN_RESPONDING
    assert not is_ending or outgoing.queue, "an end waits behind nothing"


def _check_sender(sender: Sender) -> None:
    calls = list(sender.streams.values())
    sizes = [call.outgoing.size for call in calls if call.outgoing is not None]
    assert sender.queued == sum(sizes), f"{sender.queued} bytes are counted, {sum(sizes)} wait"
    assert sender.account.held >= sender.queued, "what waits is not put to the account"
    # RFC 9113 6.9.2: SETTINGS may take a stream's window below 0, but not the connection's.
    assert sender.window >= 0
    assert sender.initial_window + max((call.credit for call in calls), default=0) < 1 << 31
