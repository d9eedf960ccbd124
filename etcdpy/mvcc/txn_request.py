"""
Transactions as the server works with them.

A TxnRequest is looked at by several rules before it is applied, and every look at an
operation of a protobuf message builds new wrappers around it. So a request is taken apart
once, into plain lists. That is also how transactions are read that nest deeper than the
protobuf library reads: it stops at 100 messages one inside the other, which is 50
transactions, where etcd reads on and then applies its own limit, ``--max-txn-ops``.

A request of kilobytes can hold as many operations as it has bytes, and is looked at by nobody
before it is known that it is within that limit: see ``LongTxn``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from google.protobuf.message import DecodeError

from etcdpy.cooperative import Steps, finish
from etcdpy.errors import EtcdError
from etcdpy.mvcc.plain_ops import PlainDelete, PlainPut, PlainRange
from etcdpy.mvcc.slices import Work
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)
from etcdpy.pb.wire import read_varint, varint

RANGE: Final = "request_range"
PUT: Final = "request_put"
DELETE: Final = "request_delete_range"
TXN: Final = "request_txn"

#: The kind of an operation (None if it is empty), and its request: for TXN a ``Txn``.
Op = tuple[str | None, Any]

#: Levels read. What is nested deeper counts as too many operations.
MAX_DEPTH = 200

#: A transaction of more bytes is read in slices.
LONG = 8 << 10

#: One of more bytes is counted before it is decoded, which takes 25 ns a byte where each two of
#: them are an operation, and forty bytes of memory for each of those.
COUNTED_FIRST = 64 << 10

# Field numbers of TxnRequest and of RequestOp.
_COMPARE, _SUCCESS, _FAILURE = 1, 2, 3
_REQUEST_TXN = 4
_LENGTH_DELIMITED = 2

# Tags of TxnRequest and of RequestOp: a field's number, and that it has a length.
_COMPARE_TAG: Final = _COMPARE << 3 | _LENGTH_DELIMITED
_SUCCESS_TAG: Final = _SUCCESS << 3 | _LENGTH_DELIMITED
_FAILURE_TAG: Final = _FAILURE << 3 | _LENGTH_DELIMITED
#: Where an operation's request is: the tag before it, where it begins, and where it ends.
_Place = tuple[int, int, int]
#: What an operation is by its tag, but for a transaction.
_DECODERS: Final[dict[int, tuple[str, Callable[[bytes], Any]]]] = {
    0x0A: (RANGE, RangeRequest.FromString),
    0x12: (PUT, PutRequest.FromString),
    0x1A: (DELETE, DeleteRangeRequest.FromString),
}

#: Transactions inside of each other that protobuf reads, each with its operation.
_PROTOBUF_DEPTH = 49
#: How many bytes decoded count for as much as an operation taken apart.
_BYTES_PER_WORK = 64
#: How many operations are looked at for what all of them weigh, which only a log tells.
_MOST_WEIGHED = 1024
#: How many operations a field counts for that is read byte by byte.
_WORK_OF_FIELD = 4


class Puts(NamedTuple):
    """
    A branch that is nothing but puts without a lease, which ask for nothing that was before.

    Attributes:
        keys: Theirs.
        values: Theirs.

    """

    keys: list[bytes]
    values: list[bytes]


class Txn:
    """
    A transaction.

    Attributes:
        size: Encoded bytes.
        success_puts: What ``success`` is, if it is nothing but ``Puts``, which are looked at and
            written together; None too where nobody has found that out.
        failure_puts: The same of ``failure``.

    """

    __slots__ = ("_compare", "_failure", "_success", "failure_puts", "size", "success_puts")

    def __init__(
        self, size: int, compare: Sequence[Compare], success: list[Op], failure: list[Op]
    ) -> None:
        self.size = size
        self._compare = compare
        self._success = success
        self._failure = failure
        self.success_puts: Puts | None = None
        self.failure_puts: Puts | None = None

    @property
    def compare(self) -> Sequence[Compare]:
        """What must hold."""
        return self._compare

    @property
    def success(self) -> list[Op]:
        """What is done if it does."""
        return self._success

    @property
    def failure(self) -> list[Op]:
        """What is done if it does not."""
        return self._failure

    @classmethod
    def of(cls, request: TxnRequest, size: int | None = None) -> Txn:
        """Take a request apart; ``size`` is its encoded size, if that is known."""
        txn = cls(
            request.ByteSize() if size is None else size,
            list(request.compare),
            _ops(request.success),
            _ops(request.failure),
        )
        txn.success_puts, txn.failure_puts = _puts(txn.success), _puts(txn.failure)
        return txn

    @classmethod
    def built(cls, compare: list[Compare], success: list[Op], failure: list[Op]) -> Txn:
        """Return a transaction made of its parts, as the server's own callers have them."""
        txn = cls(0, compare, success, failure)
        txn.size = encoded_size(txn)
        return txn


class LongTxn(Txn):
    """
    A transaction that is read in slices; it holds nothing before that is done.

    Attributes:
        data: Its encoded bytes, None once it was read.
        fault: What is wrong with its form, found out when it is read; None if nothing is.
        cost: The bytes that etcd's quota counts for it, found out when it is read.
        plan: What is known of it before it is applied (``txn_plan.Plan``), None if nothing is.
        looked_through: What is known of who may do it (``node.guard``), None if nothing is.
        branch_sizes: The encoded bytes of the operations of each branch, as they came.

    """

    __slots__ = ("branch_sizes", "cost", "data", "fault", "looked_through", "plan")

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data), [], [], [])
        self.data: bytes | None = data
        self.fault: type[EtcdError] | None = None
        self.cost = 0
        self.plan: Any = None
        self.looked_through: Any = None
        self.branch_sizes = 0, 0

    def read(self, max_ops: int) -> Steps[None]:
        """
        Read it.

        Args:
            max_ops: What the longest list of each level, summed along any way down, may be. What
                has more is left as a transaction of too many compares, and the rest is not read.

        Raises:
            DecodeError: If the bytes are no transaction.

        """
        data, self.data = self.data, None
        assert data is not None
        self.branch_sizes = _branch_sizes(data)
        found = yield from _Reader().read(data, max_ops)
        self._compare, self._success, self._failure = found.compare, found.success, found.failure
        self.success_puts, self.failure_puts = found.success_puts, found.failure_puts


def encoded_size(txn: Txn) -> int:
    """Return how many bytes a transaction has as a TxnRequest."""
    compares = sum(_field_size(compare.ByteSize()) for compare in txn.compare)
    ops = (_field_size(op_size(op)) for op in (*txn.success, *txn.failure))
    return compares + sum(ops)


def op_size(op: Op) -> int:
    """Return how many bytes an operation has as a RequestOp."""
    kind, request = op
    if kind is None:
        return 0
    return _field_size(encoded_size(request) if kind == TXN else request.ByteSize())


def _field_size(size: int) -> int:
    return 1 + len(varint(size)) + size


def _ops(ops: Iterable[RequestOp]) -> list[Op]:
    found: list[Op] = []
    for op in ops:
        kind = op.WhichOneof("request")
        if kind is None:
            found.append((None, None))
        elif kind == TXN:
            found.append((TXN, Txn.of(op.request_txn, 0)))
        else:
            found.append((kind, getattr(op, kind)))
    return found


def _puts(ops: list[Op]) -> Puts | None:
    """Return what a branch is, if it is nothing but ``Puts``."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for kind, request in ops:
        if kind != PUT or not _is_plain(request):
            return None
        keys.append(request.key)
        values.append(request.value)
    return Puts(keys, values) if keys else None


def _is_plain(request: PutRequest | PlainPut) -> bool:
    return not (request.lease or request.prev_kv or request.ignore_value or request.ignore_lease)


def decode_txn(data: bytes) -> Txn:
    """
    Decode a TxnRequest, however deep; of a long one that is left to whoever handles it.

    Raises:
        DecodeError: If the bytes are no such message.

    """
    if len(data) > LONG:
        return LongTxn(data)
    try:
        return _flat(data) or Txn.of(TxnRequest.FromString(data), len(data))
    except DecodeError:
        if not _may_be_deep(data):
            raise
        return finish(_Reader().read_deep(data, sys.maxsize))


def _flat(data: bytes) -> Txn | None:
    """
    Decode a short transaction that has no other in it.

        0a <length> Compare     12 <length> 12 <length> PutRequest     1a <length> 0a <length> ...
        `- compare              |           `- request_put             |           `- request_range
                                `- success                             `- failure

    Returns:
        None if it is not written just like that, whatever it may be then.

    """
    # Fast path (bench: handover/50): half the cost of a message.
    compare: list[Compare] = []
    success: list[_Place] = []
    failure: list[_Place] = []
    place, end = 0, len(data)
    try:
        while place < end:
            # Lengths have two bytes at most, as all of it is shorter than that. One that has more
            # is taken for too long.
            tag, size = data[place], data[place + 1]
            place += 2
            if size > 127:
                size += (data[place] << 7) - 128
                place += 1
            stop = place + size
            if stop > end:
                return None
            if tag == _COMPARE_TAG:
                compare.append(Compare.FromString(data[place:stop]))
                place = stop
                continue
            kind, size = data[place], data[place + 1]
            place += 2
            if size > 127:
                size += (data[place] << 7) - 128
                place += 1
            if place + size != stop or kind not in _DECODERS:
                return None
            if tag == _SUCCESS_TAG:
                success.append((kind, place, stop))
            elif tag == _FAILURE_TAG:
                failure.append((kind, place, stop))
            else:
                return None
            place = stop
    except IndexError:
        return None
    txn = Txn(end, compare, _decoded(data, success), _decoded(data, failure))
    txn.success_puts = _puts(txn.success)
    return txn


def _decoded(data: bytes, places: list[_Place]) -> list[Op]:
    ops: list[Op] = []
    for tag, place, stop in places:
        kind, decode = _DECODERS[tag]
        ops.append((kind, decode(data[place:stop])))
    return ops


def _may_be_deep(data: bytes) -> bool:
    """Tell whether what protobuf cannot read may be a transaction that nests too deep for it."""
    return data.count(b"\x22") >= _PROTOBUF_DEPTH


class _Reader:
    """Reads one transaction in slices."""

    __slots__ = ("_work",)

    def __init__(self) -> None:
        self._work = Work()

    def read(self, data: bytes, allowance: int) -> Steps[Txn]:
        if len(data) > COUNTED_FIRST and _has_more(data, allowance):
            return _too_many(len(data))
        request: TxnRequest | None = None
        try:
            request = TxnRequest.FromString(data)
        except DecodeError:
            if not _may_be_deep(data):
                raise
        if request is None:
            return (yield from self.read_deep(data, allowance))
        yield from self._work.add(len(data) // _BYTES_PER_WORK)
        return (yield from self._taken_apart(request, len(data), allowance))

    def _taken_apart(self, request: TxnRequest, size: int, allowance: int) -> Steps[Txn]:
        compare, success, failure = request.compare, request.success, request.failure
        longest = max(len(compare), len(success), len(failure))
        if longest > allowance:
            return _too_many(size)
        rest = allowance - longest
        yield from self._work.add(len(compare))
        read = Txn(size, list(compare), [], [])
        read.success_puts = yield from self._ops(success, rest, read.success)
        read.failure_puts = yield from self._ops(failure, rest, read.failure)
        return read

    def _ops(self, ops: Sequence[RequestOp], allowance: int, found: list[Op]) -> Steps[Puts | None]:
        puts = Puts([], [])
        for op in ops:
            yield from self._work.add(1)
            kind = op.WhichOneof("request")
            if kind == PUT:
                put = PlainPut(op.request_put)
                found.append((PUT, put))
                if _is_plain(put):
                    puts.keys.append(put.key)
                    puts.values.append(put.value)
            elif kind == TXN:
                nested = yield from self._taken_apart(op.request_txn, 0, allowance)
                found.append((TXN, nested))
            elif kind == RANGE:
                found.append((RANGE, PlainRange(op.request_range)))
            elif kind == DELETE:
                found.append((DELETE, PlainDelete(op.request_delete_range)))
            else:
                found.append((None, None))
        return puts if puts.keys and len(puts.keys) == len(found) else None

    def read_deep(self, data: bytes, allowance: int) -> Steps[Txn]:
        """Do what protobuf does, to any depth; a hundred times as slowly."""
        return (yield from self._deep(data, slice(0, len(data)), MAX_DEPTH, allowance))

    def _deep(self, data: bytes, place: slice, depth: int, allowance: int) -> Steps[Txn]:
        size = place.stop - place.start
        if not depth:
            return _too_many(size)
        compare: list[Compare] = []
        txn = Txn(size, compare, [], [])
        # Where they are, not what they hold: that would be copied on each level.
        nested: list[tuple[list[Op], int, slice]] = []
        for field, inner in _fields(data, place):
            yield from self._work.add(_WORK_OF_FIELD)
            if field == _COMPARE:
                compare.append(Compare.FromString(data[inner.start : inner.stop]))
            elif field in (_SUCCESS, _FAILURE):
                ops = txn.success if field == _SUCCESS else txn.failure
                found = _only_txn(data, inner)
                if found is not None:
                    nested.append((ops, len(ops), found))
                    ops.append((TXN, None))
                else:
                    ops.append(_ops([RequestOp.FromString(data[inner.start : inner.stop])])[0])
            if max(len(compare), len(txn.success), len(txn.failure)) > allowance:
                return _too_many(size)
        rest = allowance - max(len(compare), len(txn.success), len(txn.failure))
        for ops, number, inner in nested:
            deeper = yield from self._deep(data, inner, depth - 1, rest)
            ops[number] = TXN, deeper
        return txn


def _too_many(size: int) -> Txn:
    """Return what stands for a transaction of more operations than any limit allows."""
    return Txn(size, cast(Sequence[Compare], range(sys.maxsize)), [], [])


def _has_more(data: bytes, allowance: int) -> bool:
    """Tell whether a transaction surely has more in one of its lists than it may have."""
    counts = [0, 0, 0, 0]
    try:
        for field, _ in _fields(data, slice(0, len(data))):
            if not _COMPARE <= field <= _FAILURE:
                return False  # it is for protobuf to say what that means
            counts[field] += 1
            if counts[field] > allowance:
                return True
    except DecodeError:
        pass
    return False


def _branch_sizes(data: bytes) -> tuple[int, int]:
    """Return how many bytes the operations of each branch have, if they can be told apart."""
    sizes = [0, 0, 0, 0]
    try:
        for number, (field, place) in enumerate(_fields(data, slice(0, len(data)))):
            if not _COMPARE <= field <= _FAILURE or number == _MOST_WEIGHED:
                break
            sizes[field] += place.stop - place.start
    except DecodeError:
        pass
    return sizes[_SUCCESS], sizes[_FAILURE]


def _only_txn(data: bytes, place: slice) -> slice | None:
    """Return where the transaction is that an operation is, if it is one and nothing else."""
    fields = list(islice(_fields(data, place), 2))
    return fields[0][1] if len(fields) == 1 and fields[0][0] == _REQUEST_TXN else None


def _fields(data: bytes, place: slice) -> Iterator[tuple[int, slice]]:
    """Iterate over the fields of a message that, like these, has only messages in it."""
    position, stop = place.start, place.stop
    while position < stop:
        tag, position = read_varint(data, position)
        length, position = read_varint(data, position)
        end = position + length
        if tag & 7 != _LENGTH_DELIMITED or end > stop:
            raise DecodeError("not a transaction")
        yield tag >> 3, slice(position, end)
        position = end
