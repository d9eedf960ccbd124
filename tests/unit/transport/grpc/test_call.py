"""A call without a connection: what arrives, and what it says of that."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from etcdpy.transport.grpc.call import Arrived, Call
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.states import HandlerState, IllegalMoveError, StreamState
from etcdpy.transport.grpc.status import ProtocolStatus, StatusCode
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import StreamFault
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW

from ..peer import message

LIMIT = 2 << 20


def opened(*, limit: int = LIMIT, is_running: bool = False, **head: Any) -> Call:
    """Return a call whose client sends; ``head`` is what its headers have said."""
    request_head = RequestHead()
    for name, value in head.items():
        setattr(request_head, name, value)
    call = Call(1, request_head, None, StreamState.OPEN)
    call.expect(limit)
    if is_running:
        call.handler_state = HandlerState.RUNNING
    return call


def receive(call: Call, payload: bytes) -> Arrived:
    return call.receive(payload, len(payload))


class TestUnary:
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_request_is_complete_with_its_last_byte(self, size: int) -> None:
        call, body = opened(), message(b"hello")
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert [receive(call, piece) for piece in pieces[:-1]] == [Arrived.NOTHING] * (
            len(pieces) - 1
        )
        assert receive(call, pieces[-1]) is Arrived.REQUEST
        assert call.take_request() == b"hello"

    def test_what_follows_it_is_nothing(self) -> None:
        call = opened()
        assert receive(call, message(b"one") + b"junk") is Arrived.REQUEST
        assert receive(call, b"more") is Arrived.NOTHING
        assert call.half_close() is Arrived.NOTHING
        assert call.take_request() == b"one"
        assert call.buffered == 0

    @pytest.mark.parametrize(
        ("body", "details"),
        [(b"", "EOF"), (b"\0\0", "EOF"), (message(b"x")[:-1], "unexpected EOF")],
    )
    def test_end_without_it_is_an_error(self, body: bytes, details: str) -> None:
        call = opened()
        if body:
            receive(call, body)
        with pytest.raises(ProtocolStatus) as caught:
            call.half_close()
        assert (caught.value.code, caught.value.details) == (StatusCode.UNKNOWN, details)

    def test_message_that_is_too_long_is_an_error_and_then_nothing(self) -> None:
        call = opened(limit=10)
        with pytest.raises(ProtocolStatus, match="larger than max"):
            receive(call, message(bytes(11)))
        assert receive(call, message(b"x")) is Arrived.NOTHING

    def test_compressed_message_is_inflated(self) -> None:
        call = opened(is_gzip=True)
        receive(call, message(gzip.compress(b"hello"), flag=1))
        assert call.take_request() == b"hello"


class TestContentLength:
    def test_more_than_was_announced_is_a_fault(self) -> None:
        call = opened(content_length=7)
        with pytest.raises(StreamFault) as caught:
            receive(call, message(b"xyz"))
        assert caught.value.code == frames.PROTOCOL_ERROR

    def test_less_than_was_announced_is_a_fault(self) -> None:
        call = opened(content_length=100)
        receive(call, message(b"xyz"))
        with pytest.raises(StreamFault) as caught:
            call.half_close()
        assert caught.value.code == frames.PROTOCOL_ERROR

    def test_none_at_all_is_less(self) -> None:
        call = Call(1, opened(content_length=1).head, None, StreamState.OPEN)
        with pytest.raises(StreamFault):
            call.half_close()


class TestStreams:
    def test_handler_that_runs_is_told_that_there_is_more(self) -> None:
        call = opened(is_running=True)
        assert receive(call, message(b"a")[:2]) is Arrived.MORE
        assert call.next_message() is None
        assert receive(call, message(b"a")[2:] + message(b"b")) is Arrived.MORE
        assert call.half_close() is Arrived.MORE
        assert [call.next_message() for _ in range(3)] == [b"a", b"b", None]

    def test_end_within_a_message_is_an_error(self) -> None:
        call = opened(is_running=True)
        receive(call, message(b"a")[:-1])
        call.half_close()
        with pytest.raises(ProtocolStatus, match="unexpected EOF"):
            call.next_message()

    def test_client_that_ends_twice_is_a_bug_of_ours(self) -> None:
        call = opened(is_running=True)
        call.half_close()
        with pytest.raises(IllegalMoveError):
            call.half_close()

    def test_what_arrives_after_the_answer_is_nothing(self) -> None:
        call = opened(is_running=True)
        call.stream_state = StreamState.OPEN_ENDING
        assert receive(call, message(b"a")) is Arrived.NOTHING
        assert call.half_close() is Arrived.NOTHING
        assert call.buffered == 0


class TestWindow:
    def test_more_than_it_is_a_fault(self) -> None:
        call = opened(is_running=True)
        receive(call, bytes(INITIAL_STREAM_WINDOW))
        with pytest.raises(StreamFault) as caught:
            receive(call, b"x")
        assert caught.value.code == frames.FLOW_CONTROL_ERROR

    def test_what_is_read_is_granted_once_it_is_a_quarter(self) -> None:
        call = opened(is_running=True)
        body = message(bytes(INITIAL_STREAM_WINDOW // 8))
        for _ in range(2):
            receive(call, body)
            assert call.take_grant() == 0
        call.next_message()
        assert call.take_grant() == 0
        call.next_message()
        assert call.take_grant() == 2 * len(body)
        assert call.take_grant() == 0

    def test_message_larger_than_it_is_lent_what_it_lacks(self) -> None:
        call = opened()
        receive(call, message(bytes(LIMIT))[:5])
        assert call.take_grant() == LIMIT - (INITIAL_STREAM_WINDOW - 5)

    def test_padding_needs_no_reader(self) -> None:
        call = opened(is_running=True)
        call.receive(b"", INITIAL_STREAM_WINDOW // 2)
        assert call.take_grant() == INITIAL_STREAM_WINDOW // 2

    def test_nothing_is_granted_to_a_client_that_has_ended(self) -> None:
        call = opened(is_running=True)
        receive(call, message(bytes(INITIAL_STREAM_WINDOW // 2)))
        call.half_close()
        call.next_message()
        assert call.take_grant() == 0

    def test_what_went_past_it_is_counted_before_what_arrives(self) -> None:
        call = opened(is_running=True)
        call.bypassed = INITIAL_STREAM_WINDOW // 8
        with pytest.raises(StreamFault):
            receive(call, bytes(INITIAL_STREAM_WINDOW - INITIAL_STREAM_WINDOW // 8 + 1))
        assert call.bypassed == 0


class TestHttp:
    def test_body_is_complete_at_its_end(self) -> None:
        call = opened(http_fields=[])
        assert receive(call, b"one ") is Arrived.NOTHING
        assert receive(call, b"two") is Arrived.NOTHING
        assert call.half_close() is Arrived.REQUEST
        assert call.take_body() == b"one two"

    def test_body_may_be_none(self) -> None:
        call = Call(1, opened(http_fields=[]).head, None, StreamState.OPEN)
        assert call.half_close() is Arrived.REQUEST
        assert call.take_body() == b""

    def test_body_that_is_too_long_is_not_kept(self) -> None:
        call = opened(limit=10, http_fields=[])
        receive(call, bytes(11))
        receive(call, bytes(1000))
        assert call.half_close() is Arrived.REQUEST
        assert call.buffered == 11
        assert call.take_body() is None


def test_response_is_compressed_as_the_request_may_be_unless_told_otherwise() -> None:
    plain, zipped, not_zipped = opened(), opened(is_gzip=True), opened(is_gzip=True)
    not_zipped.make_options().is_uncompressed = True
    for call in (plain, not_zipped):
        assert b"".join(map(bytes, call.encode(b"x"))) == message(b"x")
    prefix, body = zipped.encode(b"x" * 100)
    assert (prefix[0], gzip.decompress(bytes(body))) == (1, b"x" * 100)
