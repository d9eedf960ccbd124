"""Header blocks of a connection: which requests they ask for, and which are refused for them."""

from __future__ import annotations

from collections.abc import Mapping

from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.open_streams import OpenStreams
from etcdpy.transport.grpc.request_head import MalformedRequest, RequestHead, check_trailers
from etcdpy.transport.grpc.request_head_cache import RequestHeadReader, Timed
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.blocks import Block
from etcdpy.transport.http2.faults import compression_fault
from etcdpy.transport.http2.hpack import HeaderListTooLarge, HpackError
from etcdpy.transport.http2.hpack_pieces import PiecewiseDecoder
from etcdpy.transport.limits import MAX_HELD_HEADERS


class RequestBlocks:
    """
    Reads the header blocks of one connection.

    All methods raise a :class:`.ConnectionFault` for a block that cannot be decoded, as the
    tables of the two sides would part (RFC 9113 4.3).

    Args:
        reader: Decodes them.
        table: Refuses streams.
        streams: The open ones.

    """

    __slots__ = ("_reader", "_streams", "_table")

    def __init__(
        self, reader: RequestHeadReader, table: OpenStreams, streams: Mapping[int, Call]
    ) -> None:
        self._reader = reader
        self._table = table
        self._streams = streams

    def read(
        self, stream_id: int, block: bytes, pieces: PiecewiseDecoder | None = None
    ) -> Timed | None:
        """
        Return what a block asks for; None if that was refused with a RST_STREAM.

        Args:
            stream_id: Of the stream that it is to open.
            block: All of it, unless there are pieces.
            pieces: Has the frames of a block of several.

        """
        try:
            if pieces is None:
                return self._reader.read(block)
            timed = self._reader.read_large(pieces)
            if not self._holds_too_much(timed[0]):
                return timed
            self._table.refuse(stream_id, frames.ENHANCE_YOUR_CALM)
        except HpackError as error:
            raise compression_fault(error) from None
        except HeaderListTooLarge:
            self._table.refuse(stream_id, frames.FRAME_SIZE_ERROR)
        except MalformedRequest:
            self._table.refuse(stream_id, frames.PROTOCOL_ERROR)
        return None

    def are_trailers(self, block: Block) -> bool:
        """Tell whether a second block of a stream is one that may end it (RFC 9113 8.1)."""
        # RFC 9113 4.3: decoded whatever becomes of it, or the tables would part.
        try:
            if block.pieces is None:
                check_trailers(self._reader.fields(block.data))
            else:
                check_trailers(self._reader.large_fields(block.pieces)[0])
        except HpackError as error:
            raise compression_fault(error) from None
        except (HeaderListTooLarge, MalformedRequest):
            return False
        return block.is_ended

    def _holds_too_much(self, head: RequestHead) -> bool:
        """Return whether the headers of one more request are too much, and it is a large one."""
        if head.reservation is None:
            return False
        held = (call.head.reservation for call in self._streams.values())
        total = head.reservation.size + sum(one.size for one in held if one is not None)
        return total > MAX_HELD_HEADERS
