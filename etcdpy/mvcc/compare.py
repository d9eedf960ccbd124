"""
The compares of a transaction, evaluated on the state it finds.

(etcd: server/etcdserver/txn/txn.go, applyCompare and compareKV)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from etcdpy.cooperative import Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import Compare

_FIELDS: dict[int, str] = {
    Compare.VERSION: "version",
    Compare.CREATE: "create_revision",
    Compare.MOD: "mod_revision",
    Compare.VALUE: "value",
    Compare.LEASE: "lease",
}

#: Where what is compared is in a version.
_PLACES: dict[int, int] = {Compare.MOD: 0, Compare.CREATE: 2, Compare.VERSION: 3}

_HOLDS: dict[int, Callable[[Any, Any], bool]] = {
    Compare.EQUAL: operator.eq,
    Compare.NOT_EQUAL: operator.ne,
    Compare.GREATER: operator.gt,
    Compare.LESS: operator.lt,
}


#: The least and the greatest number of the keys of a range, None if there are none: by its start
#: and stop, and where in a version the number is.
Extremes = dict[tuple[bytes, bytes | None, int], tuple[int, int] | None]


def holds(
    store: Store, compare: Compare, revision: int, known: Extremes | None = None
) -> Steps[bool]:
    """
    Tell whether a compare holds at ``revision`` for every key that it names.

    Naming no existing key, it compares a missing one: its numbers are 0, and no value
    compare holds for it, NOT_EQUAL included.

    Args:
        known: What other compares of the same revision have found out, and this one adds to.

    """
    if not compare.range_end:
        return holds_for_key(store, compare, revision)
    place = _PLACES.get(compare.target)
    start, stop = bounds(compare.key, compare.range_end)
    if place is not None and compare.result != Compare.NOT_EQUAL:
        known = {} if known is None else known
        asked = start, stop, place
        if asked not in known:
            known[asked] = yield from _extremes(store, start, stop, revision, place)
        extremes = known[asked]
        return all(_holds_for(compare, number) for number in extremes or (0,))
    empty = True
    while True:
        keys, following = store.index.scan(start, stop, revision, SLICE)
        empty = empty and not keys
        if place is not None:
            found = set(store.index.numbers_at(keys, revision, place))
            if not all(_holds_for(compare, number) for number in found):
                return False
        else:
            for key in keys:
                if not _holds_for(compare, _operand(store, compare, key, revision)):
                    return False
        if following is None:
            return not empty or _holds_for(compare, None if compare.target == Compare.VALUE else 0)
        start = following
        yield


def holds_for_key(store: Store, compare: Compare, revision: int) -> bool:
    """Do what ``holds`` does for a compare that names one key."""
    return _holds_for(compare, _operand(store, compare, compare.key, revision))


#: The same by number, without those that etcd does not know.
_RULES = tuple(_HOLDS[result] for result in sorted(_HOLDS))


def key_holds(
    store: Store, key: bytes, result: int, place: int, operand: int | bytes, revision: int
) -> bool:
    """Do what ``holds`` does for a compare of one key that is no message (``plain_txn.Test``)."""
    if place >= 0:
        return _RULES[result](store.index.number_at(key, revision, place), operand)
    row = store.get(key, revision)
    return row is not None and _RULES[result](KeyValue.FromString(row).value, operand)


def _extremes(
    store: Store, start: bytes, stop: bytes | None, revision: int, place: int
) -> Steps[tuple[int, int] | None]:
    least = greatest = None
    while True:
        keys, following = store.index.scan(start, stop, revision, SLICE)
        if numbers := store.index.numbers_at(keys, revision, place):
            low, high = min(numbers), max(numbers)
            least = low if least is None else min(least, low)
            greatest = high if greatest is None else max(greatest, high)
        if following is None:
            return None if least is None or greatest is None else (least, greatest)
        start = following
        yield


def _operand(store: Store, compare: Compare, key: bytes, revision: int) -> int | bytes | None:
    """Return the side of a compare that ``key`` stands for; None for a missing key's value."""
    target = compare.target
    place = _PLACES.get(target)
    if place is not None:
        return store.index.number_at(key, revision, place)
    version = store.index.at(key, revision)
    if target == Compare.VALUE:
        return None if version is None else _row(store, key, revision).value
    if version is None or target not in _FIELDS:
        return 0
    return _row(store, key, revision).lease


def _row(store: Store, key: bytes, revision: int) -> KeyValue:
    row = store.get(key, revision)
    assert row is not None
    return KeyValue.FromString(row)


def _holds_for(compare: Compare, have: int | bytes | None) -> bool:
    if have is None:
        return False
    rule = _HOLDS.get(compare.result)
    if rule is None:  # etcd passes results it does not know
        return True
    field = _FIELDS.get(compare.target)
    if field is None:  # ... and finds targets it does not know equal
        return rule(0, 0)
    # An operand of another kind than the target reads as 0 or empty, as in etcd.
    return rule(have, getattr(compare, field))
