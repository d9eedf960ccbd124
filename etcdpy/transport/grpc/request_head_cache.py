"""
Header blocks to request heads, each decoded and checked as seldom as can be.

Two caches. The first maps the bytes of a block to the outcome; it is good only while the
connection's dynamic table stays as it is. The second, one for the server, maps the decoded
fields without grpc-timeout to the checked head: a client with deadlines inserts a new timeout
into the table with each call, but the other fields remain the same.
"""

from collections.abc import Sequence
from typing import Final

from etcdpy.transport.grpc.request_head import RequestHead, read_head, time_out
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http2.header_room import HeaderRoom, Reservation
from etcdpy.transport.http2.hpack import Decoder, Field
from etcdpy.transport.http2.hpack_pieces import PiecewiseDecoder
from etcdpy.transport.limits import LARGE_HEAD, MAX_HEADER_LIST, MAX_HEADER_STRING

Timed = tuple[RequestHead, float | None]
"""A head, and the call's timeout in seconds."""


class RequestHeadCache:
    """
    Heads by the fields they came from, for all connections of a server.

    Attributes:
        room: What large lists of fields take their place from.

    """

    MAX_ENTRIES: Final = 4096

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._version = routes.version
        self._heads: dict[tuple[Field, ...], RequestHead] = {}
        self.room = HeaderRoom()

    def find(self, fields: list[Field]) -> Timed:
        """
        Return the head for decoded fields.

        Raises:
            MalformedRequest: As :func:`.request_head.read_head` has it.

        """
        timeout = None
        for position, field in enumerate(fields):
            if field[0] == b"grpc-timeout":
                timeout = field[1]
                del fields[position]
                break
        key = tuple(fields)
        head = self._heads.get(key)
        if head is None or self._version != self._routes.version:
            head = self._read(key)
        if timeout is None:
            return head, None
        return time_out(head, timeout)

    def _read(self, key: tuple[Field, ...]) -> RequestHead:
        head = read_head(key, self._routes)
        if self._version != self._routes.version or len(self._heads) >= self.MAX_ENTRIES:
            self._heads.clear()
            self._version = self._routes.version
        if _is_small(key, head):
            self._heads[key] = head
        elif (size := _size(key)) >= LARGE_HEAD:
            # The shortest paths count nothing.
            head.size = size
            head.direct = head.one_by_one = False
        return head


def _is_small(fields: Sequence[Field], head: RequestHead) -> bool:
    """
    Return whether a head may be remembered.

    A block of a few bytes can refer to one large entry again and again, and a ``-bin`` value
    can be one entry of metadata for each comma: what peers can make us keep must be bounded
    by more than their blocks.
    """
    if len(fields) > _MAX_FIELDS or len(head.metadata) > _MAX_FIELDS:
        return False
    return _size(fields) <= _MAX_BYTES


def _size(fields: Sequence[Field]) -> int:
    return sum(len(name) + len(value) for name, value in fields)


_MAX_FIELDS: Final = 64
_MAX_BYTES: Final = 2048


class RequestHeadReader:
    """
    Reads the request blocks of one connection.

    Attributes:
        known: Outcomes by block. A caller may look here before it calls :meth:`read`.

    """

    MAX_KNOWN: Final = 256
    MAX_BLOCK: Final = 512

    __slots__ = ("_cache", "_decoder", "_generation", "known")

    def __init__(self, cache: RequestHeadCache) -> None:
        self._cache = cache
        self._decoder = Decoder(max_list_size=MAX_HEADER_LIST, max_string_size=MAX_HEADER_STRING)
        self._generation = 0
        self.known: dict[bytes, Timed] = {}

    def fields(self, block: bytes) -> list[Field]:
        """
        Decode a block of one frame; each must come here or be in ``known``.

        Raises:
            HpackError: The connection must end.
            HeaderListTooLarge: The stream must be reset.

        """
        try:
            return self._decoder.decode(block)
        finally:
            # Also if the list was too large: its block has changed the table all the same.
            self._forget()

    def _forget(self) -> None:
        """Forget what blocks meant before the table changed."""
        if self._decoder.generation != self._generation:
            self._generation = self._decoder.generation
            self.known.clear()

    def begin(self) -> PiecewiseDecoder:
        """Return what decodes a block that comes in several frames."""
        return PiecewiseDecoder(self._decoder, self._cache.room)

    def large_fields(self, pieces: PiecewiseDecoder) -> tuple[list[Field], Reservation]:
        """
        Return the fields of such a block, and what keeps their place.

        Raises:
            HpackError: The connection must end.
            HeaderListTooLarge: The stream must be reset.

        """
        self._forget()
        return pieces.finish()

    def read_large(self, pieces: PiecewiseDecoder) -> Timed:
        """
        Return the head of a request whose block came in several frames.

        Raises:
            HpackError, HeaderListTooLarge, MalformedRequest: As :meth:`read` has it.

        """
        fields, reservation = self.large_fields(pieces)
        head, timeout = self._cache.find(fields)
        if not _is_small(fields, head):
            # It is this call's alone.
            head.reservation = reservation
        return head, timeout

    def read(self, block: bytes) -> Timed:
        """
        Return the head of a request.

        Raises:
            HpackError: The connection must end.
            HeaderListTooLarge: The stream must be reset.
            MalformedRequest: The stream must be reset.

        """
        before = self._generation
        fields = self.fields(block)
        timed = self._cache.find(fields)
        # A block that changed the table would not mean the same again.
        is_lasting = before == self._generation
        if is_lasting and len(block) <= self.MAX_BLOCK and _is_small(fields, timed[0]):
            if len(self.known) >= self.MAX_KNOWN:
                self.known.clear()
            self.known[block] = timed
        return timed
