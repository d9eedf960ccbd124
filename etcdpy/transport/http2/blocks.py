"""Header blocks from their frames: HEADERS, then any CONTINUATION (RFC 9113 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import (
    ConnectionFault,
    compression_fault,
    require_stream,
    stream_in,
    strip_padding,
)
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED
from etcdpy.transport.http2.hpack import HpackError
from etcdpy.transport.http2.hpack_pieces import PiecewiseDecoder
from etcdpy.transport.limits import MAX_CONTINUATIONS, MAX_HEADER_BLOCK, MIN_CONTINUATION


class Block(NamedTuple):
    """
    A whole header block.

    Attributes:
        stream_id: Its stream.
        data: Encoded fields, if they came in one frame.
        is_ended: Whether the stream ends with it.
        is_own_parent: Whether its priority names its own stream (RFC 7540 5.3.1).
        pieces: What has decoded the fields, if they came in several frames.

    """

    stream_id: int
    data: bytes
    is_ended: bool
    is_own_parent: bool
    pieces: PiecewiseDecoder | None = None


class BlockReader:
    """
    Puts the blocks of one connection together; no other frame may come in between.

    Args:
        begin: Returns what decodes a block in several frames.

    """

    __slots__ = (
        "_begin",
        "_continuations",
        "_flags",
        "_is_own_parent",
        "_pieces",
        "_size",
        "_stream_id",
    )

    def __init__(self, begin: Callable[[], PiecewiseDecoder]) -> None:
        self._begin = begin
        self._pieces: PiecewiseDecoder | None = None
        self._flags = self._stream_id = self._size = self._continuations = 0
        self._is_own_parent = False

    @property
    def is_open(self) -> bool:
        """Whether a block is not complete."""
        return self._pieces is not None

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
        if flags & END_HEADERS:
            return self._block(payload)
        self._size = self._continuations = 0
        self._pieces = self._begin()
        self._add(self._pieces, payload)
        return None

    def go_on(self, flags: int, stream_id: int, payload: bytes) -> Block | None:
        """
        Take a CONTINUATION frame and return the block if that completes it.

        Raises:
            ConnectionFault: It belongs to no block, or the block is malformed or too long.

        """
        pieces = self._pieces
        if pieces is None or stream_id != self._stream_id:
            # RFC 9113 6.10: it follows a HEADERS or CONTINUATION of its stream.
            raise ConnectionFault(frames.PROTOCOL_ERROR, "CONTINUATION of nothing")
        # Empty ones never reach the bound on bytes in _add() (CVE-2024-27316).
        self._continuations += 1
        if self._continuations > MAX_CONTINUATIONS + self._size // MIN_CONTINUATION:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        self._add(pieces, payload)
        if not flags & END_HEADERS:
            return None
        self._pieces = None
        return self._block(b"", pieces)

    def abandon(self) -> None:
        """Forget a block that will not be completed, so that its room is free."""
        self._pieces = None

    def _add(self, pieces: PiecewiseDecoder, payload: bytes) -> None:
        self._size += len(payload)
        # Before END_HEADERS, which need never come.
        if self._size > MAX_HEADER_BLOCK:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "header block too long")
        try:
            pieces.feed(payload)
        except HpackError as error:
            raise compression_fault(error) from None

    def _block(self, data: bytes, pieces: PiecewiseDecoder | None = None) -> Block:
        is_ended = bool(self._flags & END_STREAM)
        return Block(self._stream_id, data, is_ended, self._is_own_parent, pieces)
