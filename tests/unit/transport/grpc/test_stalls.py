"""Which calls are found, on a clock of numbers."""

from __future__ import annotations

from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.outgoing import Outgoing
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.stalls import Stalls
from etcdpy.transport.grpc.states import StreamState
from etcdpy.transport.limits import STALLED_STREAM_SECONDS


def answered(size: int = 100) -> Call:
    """Return a call whose end waits behind some bytes."""
    call = Call(1, RequestHead(), None, StreamState.HALF_ENDING)
    call.outgoing = Outgoing()
    call.outgoing.add(b"", bytes(size))
    call.outgoing.trailers = b"end"
    return call


def test_answer_that_does_not_move_is_found_after_a_minute() -> None:
    stalls, call = Stalls(), answered()
    assert stalls.find([call], 10.0) == []
    assert stalls.find([call], 10.0 + STALLED_STREAM_SECONDS - 0.1) == []
    assert stalls.find([call], 10.0 + STALLED_STREAM_SECONDS) == [call]


def test_answer_that_moves_a_little_is_not() -> None:
    stalls, call = Stalls(), answered()
    assert call.outgoing is not None
    for second in range(0, 1000, 50):
        assert stalls.find([call], float(second)) == []
        call.outgoing.take(1)


def test_call_whose_handler_may_still_add_is_not() -> None:
    stalls, call = Stalls(), answered()
    assert call.outgoing is not None
    call.outgoing.trailers = None
    assert [stalls.find([call], float(second)) for second in (0, 1000)] == [[], []]


def test_call_whose_message_is_not_all_there_is_found_when_it_does_not_move() -> None:
    stalls, call = Stalls(), answered()
    assert call.outgoing is not None
    call.outgoing.trailers, call.outgoing.owed = None, 1000
    assert [stalls.find([call], float(second)) for second in (0, 1000)] == [[], [call]]


def test_call_that_never_had_to_wait_is_not() -> None:
    stalls = Stalls()
    call = Call(1, RequestHead(), None, StreamState.HALF_CLOSED)
    assert [stalls.find([call], float(second)) for second in (0, 1000)] == [[], []]


def test_calls_that_are_gone_are_forgotten() -> None:
    stalls, call = Stalls(), answered()
    stalls.find([call], 0.0)
    stalls.find([], 30.0)
    assert stalls.find([call], 1000.0) == []


def test_answer_is_found_sooner_where_there_is_less_patience() -> None:
    stalls, call = Stalls(), answered()
    stalls.find([call], 10.0)
    assert stalls.find([call], 14.9, 5.0) == []
    assert stalls.find([call], 15.0, 5.0) == [call]
