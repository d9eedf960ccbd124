"""Frames that are about the connection or a stream, as a client sends them."""

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import (
    DATA,
    END_HEADERS,
    GOAWAY,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

from ..peer import Peer, echoing

UNARY = "/test.Echo/Unary"


class TestFaults:
    @pytest.mark.parametrize(
        ("chunk", "code"),
        [
            (frame(PRIORITY, 0, 0, bytes(5)), frames.PROTOCOL_ERROR),
            (frame(RST_STREAM, 0, 0, bytes(4)), frames.PROTOCOL_ERROR),
            (frame(SETTINGS, 0, 1, b""), frames.PROTOCOL_ERROR),
            (frame(PING, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
            (frame(GOAWAY, 0, 1, bytes(8)), frames.PROTOCOL_ERROR),
            (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), frames.PROTOCOL_ERROR),
            (frame(RST_STREAM, 0, 9, bytes(4)), frames.PROTOCOL_ERROR),
            (frame(WINDOW_UPDATE, 0, 9, b"\0\0\0\1"), frames.PROTOCOL_ERROR),
            (frame(WINDOW_UPDATE, 0, 0, bytes(4)), frames.PROTOCOL_ERROR),
            (frames.window_update(0, 2**31 - 1), frames.FLOW_CONTROL_ERROR),
            (frame(SETTINGS, 0, 0, bytes(5)), frames.FRAME_SIZE_ERROR),
            (frame(SETTINGS, frames.ACK, 0, bytes(6)), frames.FRAME_SIZE_ERROR),
            (frame(PING, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
            (frame(RST_STREAM, 0, 1, bytes(3)), frames.FRAME_SIZE_ERROR),
            (frame(WINDOW_UPDATE, 0, 0, bytes(5)), frames.FRAME_SIZE_ERROR),
            (frame(GOAWAY, 0, 0, bytes(7)), frames.FRAME_SIZE_ERROR),
            (frames.settings([(2, 2)]), frames.PROTOCOL_ERROR),
            (frames.settings([(4, 2**31)]), frames.FLOW_CONTROL_ERROR),
            (frames.settings([(5, 16383)]), frames.PROTOCOL_ERROR),
            (frames.settings([(5, 2**24)]), frames.PROTOCOL_ERROR),
        ],
    )
    def test_goaway_names_the_fault(self, chunk: bytes, code: int) -> None:
        peer = Peer()
        peer.send(chunk)
        assert peer.goaway()[1] == code
        assert peer.connection.is_finished

    def test_window_update_of_0_and_past_the_limit(self) -> None:
        for increment, code in ((0, frames.PROTOCOL_ERROR), (2**31 - 1, frames.FLOW_CONTROL_ERROR)):
            peer = Peer()
            stream = peer.open()
            peer.send(frames.window_update(stream, increment))
            assert peer.reply(stream).reset == code


class TestPings:
    def test_is_acknowledged_with_its_payload(self) -> None:
        peer = Peer()
        peer.send(frames.ping(b"payload!"))
        (ack,) = peer.take(PING)
        assert (ack.flags, ack.payload) == (frames.ACK, b"payload!")

    def test_too_many_end_the_connection_in_the_words_clients_know(self) -> None:
        peer = Peer()
        for _ in range(4):
            peer.send(frames.ping(bytes(8)))
            peer.now += 0.1
        assert peer.goaway() == (0, frames.ENHANCE_YOUR_CALM, b"too_many_pings")

    def test_pings_between_replies_are_fine(self) -> None:
        peer = echoing()
        for _ in range(50):
            peer.call(b"x")
            peer.send(frames.ping(bytes(8)))
        assert not peer.connection.is_finished


class TestUseless:
    @pytest.mark.parametrize(
        "chunk",
        [
            frame(DATA, 0, 1),
            frame(DATA, PADDED, 1, b"\x01\x00"),
            frame(PRIORITY, 0, 5, bytes(5)),
            frames.window_update(0, 1),
            frames.settings([]),
            frame(0xEE, 0, 0),
        ],
    )
    def test_useless_frames(self, chunk: bytes) -> None:
        peer = Peer()
        peer.open()
        for _ in range(12):
            peer.send(chunk * 100)
        assert peer.goaway()[1:] == (frames.ENHANCE_YOUR_CALM, b"too many useless frames")
