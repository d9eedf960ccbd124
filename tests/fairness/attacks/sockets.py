"""WebSocket: frames of a byte, messages of thousands of them, pings, and half a goodbye."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

from tests.fairness.attacks.table import attack
from tests.fairness.pipe import Talk
from tests.fairness.wire import Crowd

#: What a client says who wants to be connected. (RFC 6455 1.3)
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
)

#: RFC 6455 11.8; the last bit is set in the last frame of a message.
CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9
_LAST = 0x80


class Socket(Talk):
    """A connection that WebSocket is spoken on."""

    def send(self, text: bytes) -> None:
        """Send a text of less than 64 KiB, masked with zeros. (RFC 6455 5.2)"""
        self.out += frame(TEXT, text)


def frame(
    kind: int, payload: bytes = b"", *, is_last: bool = True, mask: bytes = bytes(4)
) -> bytes:
    """Return a frame of less than 64 KiB; ``mask`` is what the payload is masked with already."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind | (_LAST if is_last else 0)]) + length + mask + payload


def open_sockets(crowd: Crowd, number: int, path: str = "/v3/watch") -> list[Socket]:
    """Connect so many, and wait for the answers."""
    sockets = [crowd.add(Socket(crowd.address)) for _ in range(number)]
    for one in sockets:
        one.ask("GET", path, b"", *HANDSHAKE)
    crowd.wait(lambda: all(it.ended for it in sockets) or crowd.is_over)
    return sockets


def _flood(crowd: Crowd, frames: bytes, number: int, first: bytes = b"") -> None:
    """Send frames over and over, on so many connections."""
    size = max(1, (1 << 17) // len(frames))
    while not crowd.is_over:
        with suppress(OSError):
            for one in open_sockets(crowd, number - len(crowd.talks)):
                one.out += first
        for talk in crowd.talks:
            if len(talk.out) < 1 << 17:
                talk.out += frames * size
        crowd.pump(0.01)


@attack()
def websocket_frames_of_a_byte(crowd: Crowd) -> None:
    """Send texts of a byte each, none of which is JSON that is complete, on 20 connections."""
    _flood(crowd, frame(TEXT, b"["), 20)


@attack()
def websocket_requests_by_the_thousand(crowd: Crowd) -> None:
    """Ask for a watch with each of the smallest texts that do, on 20 connections."""
    text = b'{"create_request":{"key":"%b"}}' % b64encode(b"/s")
    _flood(crowd, frame(TEXT, text), 20)


@attack()
def websocket_messages_without_end(crowd: Crowd) -> None:
    """Continue a text with one empty frame after the other, on 20 connections."""
    _flood(crowd, frame(CONTINUATION, is_last=False), 20, frame(TEXT, is_last=False))


@attack()
def websocket_messages_of_many_frames(crowd: Crowd) -> None:
    """Send texts of 10,000 frames of a byte, with a ping between any two, on 20 connections."""
    mask = b"abcd"
    one = frame(CONTINUATION, bytes([mask[0] ^ ord("[")]), is_last=False, mask=mask)
    body = (one + frame(PING)) * 10_000
    text = frame(TEXT, is_last=False) + body + frame(CONTINUATION)
    _flood(crowd, text, 20)


@attack()
def websocket_pings(crowd: Crowd) -> None:
    """Send pings as fast as can be, on 100 connections."""
    _flood(crowd, frame(PING, b"p" * 125), 100)


@attack()
def websocket_pings_unread(crowd: Crowd) -> None:
    """Send pings as fast as can be, on 100 connections, and read no answer."""
    ping = frame(PING, b"p" * 125) * 1000
    for one in open_sockets(crowd, 100):
        one.reads = False
    while not crowd.is_over:
        for talk in crowd.talks:
            if len(talk.out) < 1 << 17:
                talk.out += ping
        crowd.pump(0.01)


@attack()
def websocket_goodbyes_half_said(crowd: Crowd) -> None:
    """Say goodbye on 1,000 connections and stay, a half of them in the middle of the frame."""
    goodbye = frame(CLOSE, (1000).to_bytes(2, "big"))
    while not crowd.is_over:
        with suppress(OSError):
            for number, one in enumerate(open_sockets(crowd, 1000)):
                one.out += goodbye[: 5 if number % 2 else None]
        crowd.pump(0.2)
        for talk in crowd.talks:
            crowd.leave(talk)


@attack()
def websocket_frames_that_are_wrong(crowd: Crowd) -> None:
    """Send what is no frame, on 500 connections, over and over."""
    wrong = (b"\x81\x01x", b"\xf1\x80\0\0\0\0", b"\x88\xfe\xff\xff", b"\x8f\x80\0\0\0\0")
    while not crowd.is_over:
        with suppress(OSError):
            for number, one in enumerate(open_sockets(crowd, 500)):
                one.out += wrong[number % len(wrong)]
        crowd.pump(0.2)
        for talk in crowd.talks:
            crowd.leave(talk)
