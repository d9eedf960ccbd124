"""
The header blocks of our answers, encoded without any dynamic table, so that most are constants.

A unary answer is one run of three frames:

    HEADERS  :status 200, content-type              88 | 0f 10 10 "application/grpc"
    DATA     00 | length (32) | message
    HEADERS  grpc-status 0, grpc-message            END_STREAM

A refusal is a single HEADERS frame with END_STREAM that has all of it ("trailers only").
"""

from functools import lru_cache
from struct import Struct
from typing import Final

from etcdpy.transport.grpc.metadata import write_metadata
from etcdpy.transport.grpc.status import OK, Metadata, encode_message
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, FRAME_HEAD, HEADERS
from etcdpy.transport.http2.hpack import (
    CONTENT_TYPE_INDEX,
    encode_list,
    encode_literal,
    encode_static_name,
    encode_status,
)

GRPC: Final = b"application/grpc"


class ResponseHead:
    """
    The response headers of every call with one content-type.

    Attributes:
        block: Encoded ``:status``, ``content-type`` and ``grpc-encoding``.
        word: The length and type of the HEADERS frame with it, as frames begin.
        pack: Packs HEADERS and the start of DATA up to the message: ``word, END_HEADERS, stream,
            block, (length + 5) << 8, 0, stream, 0, length``.

    """

    __slots__ = ("block", "pack", "word")

    def __init__(self, content_type: bytes, encoding: bytes | None = None) -> None:
        block = encode_status(200) + encode_static_name(CONTENT_TYPE_INDEX, content_type)
        if encoding is not None:
            block += encode_literal(b"grpc-encoding", encoding)
        self.block = block
        self.word = len(block) << 8 | HEADERS
        self.pack = Struct(f">IBI{len(block)}sIBIBI").pack

    def frame(self, stream_id: int) -> bytes:
        """Return the HEADERS frame of a stream that goes on."""
        return FRAME_HEAD.pack(self.word, END_HEADERS, stream_id) + self.block


@lru_cache(maxsize=64)
def response_head(content_type: bytes, encoding: bytes | None = None) -> ResponseHead:
    """Return the response headers for one request content-type."""
    return ResponseHead(content_type, encoding)


def status_fields(number: int, details: str) -> bytes:
    """Return grpc-status and grpc-message, which is present even if empty."""
    if len(details) > 200:  # not worth keeping; may quote the peer
        return _status_fields(number, details)
    return _kept_status_fields(number, details)


def _status_fields(number: int, details: str) -> bytes:
    return encode_literal(b"grpc-status", b"%d" % number) + encode_literal(
        b"grpc-message", encode_message(details)
    )


_kept_status_fields = lru_cache(maxsize=256)(_status_fields)


def metadata_fields(metadata: Metadata) -> bytes:
    """Return custom metadata as literals."""
    return encode_list(write_metadata(metadata)) if metadata else b""


TRAILERS_OK: Final = _status_fields(OK, "")
"""The trailers of success."""

TRAILERS_OK_WORD: Final = len(TRAILERS_OK) << 8 | HEADERS
TRAILERS_FLAGS: Final = END_HEADERS | END_STREAM
pack_trailers: Final = Struct(f">IBI{len(TRAILERS_OK)}s").pack


def status_block(
    number: int,
    details: str,
    metadata: Metadata = (),
    *,
    max_list: int | None = None,
    opened: bool = True,
    content_type: bytes = GRPC,
    http_status: int = 200,
) -> bytes | None:
    """
    Return the block that ends a call: trailers, or all there is if nothing was ``opened``.

    The details are cut to what the peer takes; None if even that does not help.

    Args:
        number: grpc-status.
        details: grpc-message, in plain text.
        metadata: Custom trailing metadata.
        max_list: The peer's SETTINGS_MAX_HEADER_LIST_SIZE.
        opened: Whether the response headers were sent.
        content_type: For the response headers.
        http_status: For the response headers.

    """
    # gRPC over HTTP/2, "Trailers-Only": headers and status in one block, which ends the stream.
    block = b"" if opened else _opening(http_status, content_type)
    if max_list is not None:
        fields = [(b"grpc-status", b"%d" % number), (b"grpc-message", b"")]
        fields += write_metadata(metadata)
        if not opened:
            fields += [(b":status", b"200"), (b"content-type", content_type)]
        # RFC 9113 6.5.2: 32 bytes for each field are counted with its name and value.
        room = max_list - sum(len(name) + len(value) + 32 for name, value in fields)
        if room < 0:
            return None
        details = _cut(details, room)
    return block + status_fields(number, details) + metadata_fields(metadata)


def _opening(http_status: int, content_type: bytes) -> bytes:
    return encode_status(http_status) + encode_static_name(CONTENT_TYPE_INDEX, content_type)


def _cut(details: str, room: int) -> str:
    if len(details) * 12 <= room:  # a character is at most four bytes of three each
        return details
    while len(encode_message(details)) > room:
        excess = len(encode_message(details)) - room
        details = details[: -max(1, excess // 12)]
    return details
