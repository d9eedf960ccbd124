"""Header blocks on a connection in memory: which requests they open, and which they cost."""

from __future__ import annotations

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import CONTINUATION, END_HEADERS, HEADERS, frame

from ..peer import Peer, echoing, message, request_fields

UNARY = "/test.Echo/Unary"


def send_large(peer: Peer, *extra: tuple[str, str]) -> int:
    """Open a stream with more headers than a frame holds and return it."""
    block = peer.encoder.encode([*request_fields(UNARY), *extra], huffman=False)  # in no time
    first, *rest = (block[n : n + 16384] for n in range(0, len(block), 16384))
    stream = peer.next_id()
    peer.send(frame(HEADERS, 0, stream, first))
    for part in rest:
        last = part is rest[-1]
        peer.send(frame(CONTINUATION, END_HEADERS if last else 0, stream, part))
    return stream


def test_malformed_request_is_reset() -> None:
    peer = Peer()
    stream = peer.open(UNARY, ("te", "gzip"))
    assert peer.reply(stream).reset == frames.PROTOCOL_ERROR
    assert not peer.connection.is_finished


@pytest.mark.parametrize(("fields", "reset"), [(300, None), (400, frames.FRAME_SIZE_ERROR)])
def test_list_too_large_is_reset_and_the_next_call_is_served(
    fields: int, reset: int | None
) -> None:
    peer = echoing()
    stream = send_large(peer, *((f"x{n}", "v" * 3000) for n in range(fields)))
    peer.data(stream, message(b"x"), end=True)
    assert peer.reply(stream).reset == reset
    assert peer.reply(peer.call(b"x")).status == (0, "")


def test_large_lists_of_a_connection_are_bounded() -> None:
    peer = Peer()
    metadata = [(f"x{n}", "v" * 3000) for n in range(300)]
    streams = [send_large(peer, *metadata) for _ in range(20)]
    resets = [peer.reply(stream).reset for stream in streams]
    served = resets.count(None)
    assert 15 < served < 20
    assert resets[served:] == [frames.ENHANCE_YOUR_CALM] * (20 - served)
    peer.send(frames.rst_stream(streams[0], frames.CANCEL))
    peer.call_handler.cancelled.clear()
    assert peer.reply(send_large(peer, *metadata)).reset is None


def test_trailers_that_do_not_end_are_a_fault_of_the_stream() -> None:
    peer = Peer()
    stream = peer.open()
    peer.send(frame(HEADERS, END_HEADERS, stream, peer.encoder.encode([("x", "y")])))
    assert peer.reply(stream).reset == frames.PROTOCOL_ERROR


@pytest.mark.parametrize("at_once", [True, False])
def test_block_that_cannot_be_decoded_ends_the_connection(at_once: bool) -> None:
    peer = Peer()
    block = b"\xff\xff\xff\xff\xff\xff"
    if at_once:
        peer.send(frame(HEADERS, END_HEADERS, 1, block))
    else:
        peer.send(frame(HEADERS, 0, 1, block[:2]) + frame(CONTINUATION, END_HEADERS, 1, block[2:]))
    assert peer.goaway()[1] == frames.COMPRESSION_ERROR


def test_trailers_that_cannot_be_decoded_end_the_connection() -> None:
    peer = Peer()
    stream = peer.open(UNARY)
    peer.send(frame(HEADERS, END_HEADERS | frames.END_STREAM, stream, b"\xff\xff\xff\xff\xff\xff"))
    assert peer.goaway()[1] == frames.COMPRESSION_ERROR


@pytest.mark.parametrize("at_once", [True, False])
def test_trailers_with_a_field_of_requests_are_a_fault_of_the_stream(at_once: bool) -> None:
    peer = Peer()
    stream = peer.open(UNARY)
    block = peer.encoder.encode([(":path", "/")])
    ends = frames.END_STREAM
    if at_once:
        peer.send(frame(HEADERS, END_HEADERS | ends, stream, block))
    else:
        first = frame(HEADERS, ends, stream, block[:1])
        peer.send(first + frame(CONTINUATION, END_HEADERS, stream, block[1:]))
    assert peer.reply(stream).reset == frames.PROTOCOL_ERROR
    assert not peer.connection.is_finished
