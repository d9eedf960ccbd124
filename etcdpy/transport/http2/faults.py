"""What a peer can do wrong on a connection, and the checks that more than one frame needs."""

from __future__ import annotations

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.hpack import HeaderListBomb, HpackError


class ConnectionFault(Exception):  # noqa: N818
    """The peer broke the rules of the connection, which ends with this GOAWAY."""

    def __init__(self, code: int, debug: str = "") -> None:
        super().__init__(code, debug)
        self.code = code
        self.debug = debug


class StreamFault(Exception):  # noqa: N818
    """The peer broke the rules of one stream, which is reset with this code (RFC 9113 5.4.2)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def strip_padding(payload: bytes, skip: int) -> bytes:
    """
    Return a padded payload without its padding and without ``skip`` bytes after its length.

    Raises:
        ConnectionFault: If the padding does not fit.

    """
    if not payload:
        raise ConnectionFault(frames.FRAME_SIZE_ERROR)  # RFC 9113 4.2: no room for the pad length
    end = len(payload) - payload[0]
    # RFC 9113 6.1: padding as long as the payload, or longer.
    if end < 1 + skip:
        raise ConnectionFault(frames.PROTOCOL_ERROR, "padding too long")
    return payload[1 + skip : end]


def stream_in(payload: bytes) -> int:
    """Return the 31 bits at the start of a payload."""
    # RFC 9113 4.1: the reserved bit is ignored; in a priority the same bit says "exclusive".
    return int.from_bytes(payload[:4], "big") & frames.MAX_STREAM_ID


def require_size(payload: bytes, size: int) -> None:
    """
    Check the payload of a frame whose length is fixed (RFC 9113 4.2).

    Raises:
        ConnectionFault: If it has not ``size`` bytes.

    """
    if len(payload) != size:
        raise ConnectionFault(frames.FRAME_SIZE_ERROR)


def require_stream(stream_id: int) -> None:
    """
    Check a frame that belongs on a stream.

    Raises:
        ConnectionFault: If it is on none.

    """
    if stream_id == 0:  # RFC 9113 6.2, 6.3
        raise ConnectionFault(frames.PROTOCOL_ERROR, "stream 0")


def require_connection(stream_id: int) -> None:
    """
    Check a frame that belongs on no stream.

    Raises:
        ConnectionFault: If it is on one.

    """
    if stream_id != 0:  # RFC 9113 6.5, 6.7, 6.8
        raise ConnectionFault(frames.PROTOCOL_ERROR, f"stream {stream_id}")


def compression_fault(error: HpackError) -> ConnectionFault:
    """Return the fault for a block that cannot be decoded."""
    # RFC 9113 4.3; but a bomb can be decoded, and is abuse instead (RFC 9113 10.5).
    is_bomb = isinstance(error, HeaderListBomb)
    code = frames.ENHANCE_YOUR_CALM if is_bomb else frames.COMPRESSION_ERROR
    return ConnectionFault(code, str(error))


def illegal_stream(stream_id: int) -> ConnectionFault:
    """Return the fault for HEADERS on a stream that cannot be opened, in grpc-go's words."""
    return ConnectionFault(
        frames.PROTOCOL_ERROR, f"received an illegal stream id: {stream_id}. headers frame: "
    )
