"""
HTTP/2 frames: the numbers of RFC 9113 and the writers of the frames a server sends.

Every frame starts with nine bytes (RFC 9113 4.1):

    +-----------------------------------------------+
    |                 length (24)                   |
    +---------------+---------------+---------------+
    |   type (8)    |   flags (8)   |
    +-+-------------+---------------+-------------------------------+
    |R|                 stream identifier (31)                      |
    +=+=============================================================+
    |                        payload (length)                    ...

Length and type are read and written together here, as one 32-bit word.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113 3.4)."""

HEADER_SIZE: Final = 9
MAX_FRAME_SIZE: Final = 16384
"""The largest payload we accept and send: the default of SETTINGS_MAX_FRAME_SIZE."""
MAX_STREAM_ID: Final = 2**31 - 1  # RFC 9113 5.1.1
MAX_WINDOW: Final = 2**31 - 1  # RFC 9113 6.9.1
DEFAULT_WINDOW: Final = 65535  # RFC 9113 6.9.2

# Frame types, RFC 9113 6.
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

# Flags, RFC 9113 6. No type has both END_STREAM and ACK, which are the same bit.
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

# Settings, RFC 9113 6.5.2.
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
SETTINGS_MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

# Error codes, RFC 9113 7.
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
ENHANCE_YOUR_CALM: Final = 0xB

FRAME_HEAD: Final = Struct(">IBI")
"""``length << 8 | type``, flags, stream identifier with the reserved bit."""

_WITH_U32: Final = Struct(">IBII")
_GOAWAY: Final = Struct(">IBIII")
_SETTING: Final = Struct(">HI")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one whole frame."""
    return FRAME_HEAD.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def headers(stream_id: int, block: bytes, *, end_stream: bool = False) -> bytes:
    """Return a header block as HEADERS and as many CONTINUATION frames as it needs."""
    # RFC 9113 6.2: END_STREAM is a flag of HEADERS, even if CONTINUATION frames follow.
    flags = END_STREAM if end_stream else 0
    if len(block) <= MAX_FRAME_SIZE:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    # RFC 9113 4.3: nothing may come between them, so they are one piece of output.
    parts = [frame(HEADERS, flags, stream_id, block[:MAX_FRAME_SIZE])]
    for start in range(MAX_FRAME_SIZE, len(block), MAX_FRAME_SIZE):
        part = block[start : start + MAX_FRAME_SIZE]
        last = start + MAX_FRAME_SIZE >= len(block)
        parts.append(frame(CONTINUATION, END_HEADERS if last else 0, stream_id, part))
    return b"".join(parts)


def rst_stream(stream_id: int, code: int) -> bytes:
    """Return the frame that ends one stream at once."""
    return _WITH_U32.pack(4 << 8 | RST_STREAM, 0, stream_id, code)


def window_update(stream_id: int, increment: int) -> bytes:
    """Return the frame that lets the peer send ``increment`` bytes more."""
    return _WITH_U32.pack(4 << 8 | WINDOW_UPDATE, 0, stream_id, increment)


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame that is no acknowledgement."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in values))


SETTINGS_ACK: Final = frame(SETTINGS, ACK, 0)  # RFC 9113 6.5: without a payload


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    """Return a PING, or the acknowledgement of one."""
    assert len(payload) == 8
    return frame(PING, ACK if ack else 0, 0, payload)


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """Return the frame that says which streams were or might be acted upon."""
    size = 8 + len(debug)
    return _GOAWAY.pack(size << 8 | GOAWAY, 0, 0, last_stream_id, code) + debug


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return (identifier, value) pairs in order; the length must be a multiple of 6."""
    return list(_SETTING.iter_unpack(payload))
