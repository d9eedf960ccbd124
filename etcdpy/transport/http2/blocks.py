"""Header blocks from their frames: HEADERS, then any CONTINUATION (RFC 9113 4.3)."""

from __future__ import annotations

from typing import NamedTuple

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import ConnectionFault, require_stream, stream_in, strip_padding
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED
from etcdpy.transport.limits import MAX_CONTINUATIONS, MAX_HEADER_BLOCK


class Block(NamedTuple):
    """
    A whole header block.

    Attributes:
        stream_id: Its stream.
        data: Encoded fields.
        is_ended: Whether the stream ends with it.
        is_own_parent: Whether its priority names its own stream (RFC 7540 5.3.1).

    """

    stream_id: int
    data: bytes
    is_ended: bool
    is_own_parent: bool


class BlockReader:
    """Puts the blocks of one connection together; no other frame may come in between."""

    __slots__ = ("_flags", "_is_own_parent", "_parts", "_size", "_stream_id")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._flags = self._stream_id = self._size = 0
        self._is_own_parent = False

    @property
    def is_open(self) -> bool:
        """Whether a block is not complete."""
        return bool(self._parts)

    def start(self, flags: int, stream_id: int, payload: bytes) -> Block | None:
        """
        Take a HEADERS frame and return the block if that is all.

        Raises:
            ConnectionFault: The frame is malformed.

        """
        require_stream(stream_id)
        self._is_own_parent = False
        skip = 0
        if flags & HAS_PRIORITY:
            skip = 5  # RFC 9113 6.2: stream dependency (4 bytes) and weight (1)
            start = 1 if flags & PADDED else 0
            self._is_own_parent = stream_in(payload[start:]) == stream_id
        # RFC 9113 6.2: pad length first, then the priority, then the block, then the padding.
        if flags & PADDED:
            payload = strip_padding(payload, skip)
        elif len(payload) < skip:
            # RFC 9113 4.2: of the connection, as every block alters what all its streams share.
            raise ConnectionFault(frames.FRAME_SIZE_ERROR)
        else:
            payload = payload[skip:]
        self._flags = flags
        self._stream_id = stream_id
        self._size = 0
        return self._add(flags, payload)

    def go_on(self, flags: int, stream_id: int, payload: bytes) -> Block | None:
        """
        Take a CONTINUATION frame and return the block if that completes it.

        Raises:
            ConnectionFault: It belongs to no block, or the block is too long.

        """
        if not self._parts or stream_id != self._stream_id:
            # RFC 9113 6.10: it follows a HEADERS or CONTINUATION of its stream.
            raise ConnectionFault(frames.PROTOCOL_ERROR, "CONTINUATION of nothing")
        # Empty ones never reach the bound on bytes in _add() (CVE-2024-27316).
        if len(self._parts) > MAX_CONTINUATIONS:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        return self._add(flags, payload)

    def _add(self, flags: int, payload: bytes) -> Block | None:
        self._parts.append(payload)
        self._size += len(payload)
        # Before END_HEADERS, which need never come.
        if self._size > MAX_HEADER_BLOCK:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "header block too long")
        if not flags & END_HEADERS:
            return None
        data = b"".join(self._parts)
        self._parts = []
        return Block(self._stream_id, data, bool(self._flags & END_STREAM), self._is_own_parent)
