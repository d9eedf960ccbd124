"""Books that are wrong are found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etcdpy.transport.grpc import books
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.states import HandlerInput, StreamState, move_handler
from etcdpy.transport.http2 import frames

from ..peer import Peer, message


def busy() -> tuple[Peer, Context]:
    """Return a peer, and the one of its calls that has something queued."""
    peer = Peer(settings=[(frames.INITIAL_WINDOW_SIZE, 3)])
    peer.open()
    peer.data(peer.open(), message(b"unread")[:5])
    stream = peer.call(b"x")
    call, body = peer.call_handler.unary[0]
    peer.connection.sender.reply(call, body)
    assert stream in peer.connection.streams
    return peer, call


def test_books_of_a_busy_connection_are_right() -> None:
    peer, _ = busy()
    books.check_books(peer.connection)


def test_call_ended_for_its_handler_may_have_data_left() -> None:
    peer, call = busy()
    abandon_handler(call)
    books.check_books(peer.connection)


def abandon_handler(call: Context) -> None:
    for event in (HandlerInput.WAIT, HandlerInput.LOSE_STREAM):
        call.handler_state = move_handler(call.handler_state, event)


def abandon(peer: Peer, call: Context) -> None:
    stream = next(iter(peer.connection.streams.values()))
    stream.handler_state = move_handler(stream.handler_state, HandlerInput.LOSE_STREAM)


def close(peer: Peer, call: Context) -> None:
    call.stream_state = StreamState.CLOSED


def miscount(peer: Peer, call: Context) -> None:
    peer.connection.sender.queued += 1


def lose(peer: Peer, call: Context) -> None:
    assert call.outgoing is not None
    call.outgoing.queue.clear()


def forget_the_end(peer: Peer, call: Context) -> None:
    assert call.outgoing is not None
    call.outgoing.trailers = None


def misplace(peer: Peer, call: Context) -> None:
    peer.connection.streams[99] = call


def keep_a_grant(peer: Peer, call: Context) -> None:
    call.expect(100).granted = 1


def expect_more(peer: Peer, call: Context) -> None:
    peer.connection.awaiting_next[99] = call


@pytest.mark.parametrize(
    "spoil", [abandon, close, miscount, lose, forget_the_end, misplace, keep_a_grant, expect_more]
)
def test_each_mistake_is_found(spoil: Callable[[Peer, Context], None]) -> None:
    peer, call = busy()
    spoil(peer, call)
    with pytest.raises(AssertionError):
        books.check_books(peer.connection)
