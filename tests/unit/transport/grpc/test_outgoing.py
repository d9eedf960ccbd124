"""What waits on one stream, without a connection."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.transport.grpc.outgoing import Outgoing


def filled(*messages: tuple[bytes, bytes]) -> Outgoing:
    outgoing = Outgoing()
    for prefix, body in messages:
        outgoing.add(prefix, body)
    return outgoing


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 100])
def test_pieces_are_what_was_added_and_never_of_two_messages(limit: int) -> None:
    messages = [(b"pre", b"body"), (b"", b"x"), (b"fix", b""), (b"01234", b"56789")]
    outgoing = filled(*messages)
    for prefix, body in messages:
        pieces: list[bytes] = []
        while len(b"".join(pieces)) < len(prefix) + len(body):
            pieces.append(outgoing.take(limit))
        assert b"".join(pieces) == prefix + body
        assert all(len(piece) == limit for piece in pieces[:-1])
    assert not outgoing.queue
    assert (outgoing.size, outgoing.offset) == (0, 0)


def test_size_is_what_is_left_and_sent_what_is_gone() -> None:
    outgoing = filled((b"pre", b"body"))
    assert (outgoing.size, outgoing.sent) == (7, 0)
    outgoing.take(5)
    assert (outgoing.size, outgoing.sent, outgoing.offset) == (2, 5, 5)


def test_message_of_which_a_part_is_owed_is_half_sent_once_its_beginning_is_gone() -> None:
    outgoing = filled((b"pre", b"body"))
    outgoing.owed = 10
    assert not outgoing.is_mid_message
    outgoing.take(7)
    assert outgoing.is_mid_message
    outgoing.clear()
    assert not outgoing.is_mid_message


def test_nothing_waits_after_it_was_cleared() -> None:
    outgoing = filled((b"pre", b"body"))
    outgoing.trailers = b"end"
    outgoing.take(2)
    outgoing.clear()
    assert not outgoing.queue
    assert (outgoing.size, outgoing.offset) == (0, 0)
    assert outgoing.trailers is None


async def test_waking_resolves_each_waiter_once_and_passes_over_who_gave_up() -> None:
    outgoing = Outgoing()
    waiters = [asyncio.get_running_loop().create_future() for _ in range(3)]
    outgoing.waiters += waiters
    waiters[1].cancel()
    outgoing.wake()
    outgoing.wake()
    assert [waiter.done() and not waiter.cancelled() for waiter in waiters] == [True, False, True]
    assert not outgoing.waiters
