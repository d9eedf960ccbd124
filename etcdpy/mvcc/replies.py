"""Replies, assembled as bytes: stored rows go out without being decoded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import cast

from etcdpy.cooperative import Pieces, Steps
from etcdpy.mvcc.ranges import RangeResult
from etcdpy.mvcc.slices import ROW_BYTES, SLICE, SLICE_BYTES, chunks
from etcdpy.pb.wire import REMEMBERED, Prefixes, delimited, number, varint

#: Bytes copied together into a piece of a long reply, but for a row that is longer by itself.
PIECE_BYTES = 64 << 10
#: Rows looked at together: so many small ones make less than a piece.
ROWS_TOGETHER = 64

_MORE = b"\x18\x01"  # RangeResponse.more = 3
_SUCCEEDED = b"\x10\x01"  # TxnResponse.succeeded = 2

KVS = Prefixes(2)
"""What is before each row of a RangeResponse."""

_PREV_KVS = Prefixes(3)  # of DeleteRangeResponse


class Headers:
    """
    Encodes ResponseHeaders, as the ``header`` field (1) that starts every reply.

    Args:
        cluster_id: Of the cluster this server is all of.
        member_id: Of this server.
        raft_term: 2 on the first start, one more at each restart.

    """

    __slots__ = ("_latest", "_prefix", "_suffix")

    def __init__(self, cluster_id: int, member_id: int, raft_term: int) -> None:
        self._prefix = number(1, cluster_id) + number(2, member_id)
        self._suffix = number(4, raft_term)
        self._latest = (-1, b"")

    def at(self, revision: int) -> bytes:
        """Return the encoded field for a reply that names ``revision``."""
        # Fast path (bench: range/100x1): most replies name the revision of the one before.
        known, encoded = self._latest
        if known == revision:
            return encoded
        encoded = delimited(1, self._prefix + number(3, revision) + self._suffix)
        self._latest = (revision, encoded)
        return encoded


def revision_only(revision: int) -> bytes:
    """Encode the header of a reply inside a transaction."""
    return delimited(1, number(3, revision))


def one_key_reply(header: bytes, row: bytes | None) -> bytes:
    """Encode the RangeResponse that tells of one key, or that it is missing."""
    # Fast path (bench: range/100x1): one formatting, and the count of 1 is a constant.
    return header if row is None else b"%b%b%b\x20\x01" % (header, KVS[len(row)], row)


def range_reply(header: bytes, result: RangeResult) -> bytes:
    """Encode a RangeResponse around an encoded header field."""
    rows, more, total = result
    if len(rows) == 1 and total == 1:
        return one_key_reply(header, rows[0])
    prefixes = map(KVS.__getitem__, map(len, rows))
    end = range_end(more=more, total=total)
    return b"".join((header, *chain.from_iterable(zip(prefixes, rows, strict=True)), end))


def range_end(*, more: bool, total: int) -> bytes:
    """Encode what a RangeResponse has behind its rows."""
    return (_MORE if more else b"") + number(4, total)


def range_reply_steps(header: bytes, result: RangeResult) -> Steps[bytes | Pieces]:
    """
    Encode a RangeResponse that may be large, in slices.

    Returns:
        Pieces where one copy of everything in one go would take long.

    """
    rows, more, total = result
    end = range_end(more=more, total=total)
    return (yield from _reply(header, KVS, rows, end))


def put_reply(header: bytes, previous: bytes | None) -> bytes:
    """Encode a PutResponse around an encoded header field."""
    return header if previous is None else header + delimited(2, previous)


def plain_put_response(revision: int) -> bytes:
    """Encode the ResponseOp of a put inside a transaction that tells of nothing before it."""
    # Fast path (bench: txn-put/100x1): what ``field`` and ``put_reply`` make, in one formatting.
    encoded = varint(revision)
    size = len(encoded)
    return b"\x12%c\x0a%c\x18%b" % (size + 3, size + 1, encoded)


def put_field(revision: int) -> bytes:
    """Encode what ``txn_reply`` makes of that."""
    return delimited(3, plain_put_response(revision))


class _RangeStarts(dict[int, bytes]):
    """What precedes a RangeResponse of a size as one of the responses of a transaction."""

    def __missing__(self, size: int) -> bytes:
        inner = b"\x0a" + varint(size)
        start = b"\x1a" + varint(len(inner) + size) + inner
        if size < REMEMBERED:
            self[size] = start
        return start


_RANGE_STARTS = _RangeStarts()


def one_key_field(shown: bytes, row: bytes | None) -> bytes:
    """Encode what ``txn_reply`` makes of a ``one_key_reply``."""
    # Fast path (bench: txn-mixed/100x1): one formatting.
    if row is None:
        return _RANGE_STARTS[len(shown)] + shown
    prefix = KVS[len(row)]
    start = _RANGE_STARTS[len(shown) + len(prefix) + len(row) + 2]
    return b"%b%b%b%b\x20\x01" % (start, shown, prefix, row)


def fields_reply(header: bytes, succeeded: bool, fields: list[bytes]) -> bytes:
    """Encode a TxnResponse around its responses, as they are encoded in it."""
    return b"".join((header, _SUCCEEDED if succeeded else b"", *fields))


def deletion_start(header: bytes, deleted: int) -> bytes:
    """Encode what a DeleteRangeResponse begins with: its header field, and how many keys went."""
    return header + number(2, deleted)


def deletion_field(reply: bytes) -> bytes:
    """Encode what ``txn_reply`` makes of the DeleteRangeResponse of a key."""
    return delimited(3, delimited(3, reply))


def delete_reply(start: bytes, previous: list[bytes]) -> Steps[bytes | Pieces]:
    """Encode a DeleteRangeResponse that begins like that, in slices as above."""
    return (yield from _reply(start, _PREV_KVS, previous, b""))


def _reply(
    start: bytes, prefixes: Prefixes, rows: list[bytes], end: bytes
) -> Steps[bytes | Pieces]:
    if not rows:
        return start + end
    if len(rows) <= SLICE and sum(map(len, rows)) < SLICE_BYTES:
        return b"".join((start, *_fields(prefixes, rows), end))
    pieces: list[bytes] = []
    parts: list[bytes] = [start]
    gathered = spent = 0
    for chunk in chunks(rows, ROWS_TOGETHER):
        size = sum(map(len, chunk))
        for some in (chunk,) if size < PIECE_BYTES else chunks(chunk, 1):
            if spent >= SLICE_BYTES:
                yield
                spent = 0
            size = sum(map(len, some))
            parts += _fields(prefixes, some)
            spent += size + len(some) * ROW_BYTES
            gathered += size
            if gathered >= PIECE_BYTES:
                pieces.append(b"".join(parts))
                parts.clear()
                gathered = 0
    parts.append(end)
    last = b"".join(parts)
    if not pieces:
        return last
    if last:
        pieces.append(last)
    return Pieces(pieces) if len(pieces) > 1 else pieces[0]


def _fields(prefixes: Prefixes, rows: list[bytes]) -> Iterable[bytes]:
    before = map(prefixes.__getitem__, map(len, rows))
    return chain.from_iterable(zip(before, rows, strict=True))


def field(number: int, reply: bytes | Pieces) -> bytes | Pieces:
    """Encode a reply as a message field of another one; ``number`` is below 16."""
    if isinstance(reply, bytes):
        return delimited(number, reply)
    # Together with what follows: a few bytes alone would be a frame of their own.
    first, *others = reply.pieces
    return Pieces([_field_start(number, len(reply)) + first, *others])


def _field_start(number: int, length: int) -> bytes:
    return varint(number << 3 | 2) + varint(length)


def long_txn_reply(
    header: bytes, succeeded: bool, responses: list[bytes | Pieces]
) -> bytes | Pieces:
    """Encode what ``txn_reply`` does where a response may be in pieces."""
    # Fast path (bench: txn-put/100x1): none is.
    if Pieces not in map(type, responses):
        return txn_reply(header, succeeded, cast(list[bytes], responses))
    pieces: list[bytes] = []
    parts = [header, _SUCCEEDED] if succeeded else [header]
    for response in responses:
        if isinstance(response, bytes):
            parts.append(delimited(3, response))
            continue
        first, *others = response.pieces
        parts += (_field_start(3, len(response)), first)
        pieces.append(b"".join(parts))
        pieces += others
        parts.clear()
    if parts:
        pieces.append(b"".join(parts))
    return Pieces(pieces) if len(pieces) > 1 else pieces[0]


def puts_reply(header: bytes, succeeded: bool, revision: int, number: int) -> bytes:
    """Encode the TxnResponse of so many puts that tell of nothing before them."""
    # Fast path (bench: txn-put/100x1): what ``txn_reply`` makes; their responses are the same.
    start = header + _SUCCEEDED if succeeded else header
    return start + put_field(revision) * number


def txn_reply(header: bytes, succeeded: bool, responses: list[bytes]) -> bytes:
    """Encode a TxnResponse around an encoded header field."""
    start = header + _SUCCEEDED if succeeded else header
    if len(responses) == 1:
        return start + delimited(3, responses[0])
    return b"".join((start, *[delimited(3, response) for response in responses]))
