"""
Transactions that ask for nothing unusual, read from their bytes without a message.

Most are such: a few keys are compared, and a few are put, read or deleted one by one. A message of
each part is what most of the time of such a transaction went into.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from etcdpy.mvcc import txn_request
from etcdpy.mvcc.txn_request import LONG, Op, Puts, Txn
from etcdpy.pb.rpc_pb2 import Compare, TxnRequest
from etcdpy.pb.wire import read_varint

__all__ = [
    "BY_VALUE",
    "DELETE_STEP",
    "PUT_STEP",
    "RANGE_STEP",
    "PlainTxn",
    "Step",
    "Test",
    "decode_plain",
    "decode_txn",
]

# What an operation is, by its tag in RequestOp.
RANGE_STEP: Final = 0x0A
PUT_STEP: Final = 0x12
DELETE_STEP: Final = 0x1A

#: An operation on one key: its kind, the key, and what a put gives it, else nothing.
Step = tuple[int, bytes, bytes]

#: A compare of one key: the key, a ``CompareResult``, where in a version the number is that is
#: looked at, or ``BY_VALUE``, and what that is compared with.
Test = tuple[bytes, int, int, int | bytes]

BY_VALUE: Final = -1

#: So many operations and compares.
_MOST: Final = 128
#: Operations of a branch whose replies have rows: each may be as large as a request.
_MOST_ROWS: Final = 4

# Tags: a field's number, and how it is written. Of TxnRequest, and of its parts.
_COMPARE_TAG: Final = 0x0A
_SUCCESS_TAG: Final = 0x12
_FAILURE_TAG: Final = 0x1A
_KEY_TAG: Final = 0x0A
_VALUE_TAG: Final = 0x12
_RESULT_TAG: Final = 0x08
_TARGET_TAG: Final = 0x10
_COMPARED_KEY_TAG: Final = 0x1A
#: By target: where it is in a version, and the tag of what it is compared with.
_TARGETS: Final[tuple[tuple[int, int], ...]] = ((3, 0x20), (2, 0x28), (0, 0x30), (BY_VALUE, 0x3A))
_RESULTS: Final = 4
#: What clients compare with to be told that a key is there, or that any is. Of other negative
#: numbers nobody thinks.
_MINUS_ONE: Final = b"\xff" * 9 + b"\x01"


class PlainTxn(Txn):
    """
    A transaction that is applied or read in one go, and has none of what is unusual.

    Every key in it is there, none is of a range, and no operation has an option.

    Attributes:
        tests: What must hold.
        steps: What is done if it does.
        other_steps: What is done if it does not.
        only_reads: Whether every operation is a Range.

    """

    __slots__ = ("_data", "_whole", "only_reads", "other_steps", "steps", "tests")

    def __init__(
        self,
        data: bytes,
        tests: list[Test],
        steps: list[Step],
        other_steps: list[Step],
        only_reads: bool,
    ) -> None:
        self.size = len(data)
        self.success_puts = self.failure_puts = None
        self.tests = tests
        self.steps = steps
        self.other_steps = other_steps
        self.only_reads = only_reads
        self._data = data
        self._whole: Txn | None = None

    @property
    def compare(self) -> list[Compare]:
        """What must hold, for who wants messages."""
        return list(self._messages().compare)

    @property
    def success(self) -> list[Op]:
        """What is done if it does."""
        return self._messages().success

    @property
    def failure(self) -> list[Op]:
        """What is done if it does not."""
        return self._messages().failure

    def _messages(self) -> Txn:
        # Hardly ever asked for: by the audit log, and whoever tells of a slow request.
        whole = self._whole
        if whole is None:
            whole = self._whole = Txn.of(TxnRequest.FromString(self._data), self.size)
        return whole


def _puts(steps: list[Step]) -> Puts | None:
    keys: list[bytes] = []
    values: list[bytes] = []
    for kind, key, value in steps:
        if kind != PUT_STEP:
            return None
        keys.append(key)
        values.append(value)
    return Puts(keys, values)


def decode_txn(data: bytes) -> Txn:
    """
    Decode a TxnRequest.

    Raises:
        DecodeError: If the bytes are no such message.

    """
    return decode_plain(data) or txn_request.decode_txn(data)


def decode_plain(data: bytes) -> PlainTxn | None:
    """
    Decode a TxnRequest that is plain.

        0a <length> Compare     12 <length> 12 <length> PutRequest     1a <length> 0a <length> ...
        `- compare              |           `- request_put             |           `- request_range
                                `- success                             `- failure

    and of PutRequest, as of what else an operation may be, only this much::

        0a <length> key 12 <length> value

    Returns:
        None if it is not written just like that, whatever it may be then.

    """
    # Fast path (bench: txn-put/100x1, txn-mixed/100x1): half the cost of messages.
    end = len(data)
    if end > LONG:
        return None
    tests: list[Test] = []
    steps: list[Step] = []
    others: list[Step] = []
    place = rows = puts = 0
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
                test = _test(data, place, stop)
                if test is None:
                    return None
                tests.append(test)
                place = stop
                continue
            kind, size = data[place], data[place + 1]
            place += 2
            if size > 127:
                size += (data[place] << 7) - 128
                place += 1
            if place + size != stop or data[place] != _KEY_TAG:
                return None
            size = data[place + 1]
            place += 2
            if size > 127:
                size += (data[place] << 7) - 128
                place += 1
            middle = place + size
            key = data[place:middle]
            if kind == PUT_STEP:
                puts += 1
                if middle == stop:
                    step = kind, key, b""
                elif data[middle] != _VALUE_TAG:
                    return None
                else:
                    size = data[middle + 1]
                    place = middle + 2
                    if size > 127:
                        size += (data[place] << 7) - 128
                        place += 1
                    if place + size != stop:
                        return None
                    step = kind, key, data[place:stop]
            elif middle != stop:
                return None
            elif kind == RANGE_STEP:
                rows += 1
                step = kind, key, b""
            elif kind == DELETE_STEP:
                step = kind, key, b""
            else:
                return None
            if not key:
                return None
            if tag == _SUCCESS_TAG:
                steps.append(step)
            elif tag == _FAILURE_TAG:
                others.append(step)
            else:
                return None
            place = stop
    except (IndexError, DecodeError):
        return None
    number = len(steps) + len(others)
    if len(tests) + number > _MOST:
        return None
    if rows > _MOST_ROWS and max(_rows(steps), _rows(others)) > _MOST_ROWS:
        return None
    txn = PlainTxn(data, tests, steps, others, rows == number)
    if 1 < len(steps) <= puts:
        txn.success_puts = _puts(steps)
    return txn


def _rows(steps: list[Step]) -> int:
    return sum([kind == RANGE_STEP for kind, _, _ in steps])


def _test(data: bytes, place: int, stop: int) -> Test | None:
    """
    Return what a compare is, if it is written in the usual way.

        08 <result> 10 <target> 1a <length> key <tag of what the target is> <number or value>

    What is 0 may be left out.
    """
    result = target = 0
    if data[place] == _RESULT_TAG:
        result = data[place + 1]
        place += 2
    if data[place] == _TARGET_TAG:
        target = data[place + 1]
        place += 2
    if result >= _RESULTS or target >= len(_TARGETS) or data[place] != _COMPARED_KEY_TAG:
        return None
    size = data[place + 1]
    place += 2
    if size > 127:
        size += (data[place] << 7) - 128
        place += 1
    middle = place + size
    if not size or middle > stop:
        return None
    key = data[place:middle]
    looked_at, tag = _TARGETS[target]
    if middle == stop:
        # What is left out is 0, or empty.
        return key, result, looked_at, b"" if looked_at == BY_VALUE else 0
    if data[middle] != tag:
        return None
    place = middle + 1
    number = data[place]
    if looked_at == BY_VALUE:
        place += 1
        if number > 127:
            number += (data[place] << 7) - 128
            place += 1
        return (key, result, looked_at, data[place:stop]) if place + number == stop else None
    if number > 127 or place + 1 != stop:
        if data[place:stop] == _MINUS_ONE:
            return key, result, looked_at, -1
        number, place = read_varint(data, place)
        if place != stop or number >> 63:
            return None
    return key, result, looked_at, number
