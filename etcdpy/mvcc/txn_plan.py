"""
Which way a transaction goes, and what else is found out about it before it is applied.

Its compares, and those of every nested transaction, are evaluated on the state that it finds, which
leaves one path of operations. Of one that looks at much, or has very many operations, that is done
before others have to wait for it, and done once more if something may have changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.mvcc.compare import Extremes, holds
from etcdpy.mvcc.keyrange import Covered, bounds
from etcdpy.mvcc.ranges import is_in_key_order
from etcdpy.mvcc.reply_size import is_answered_with_rows
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.slices import Work, chunks
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, LongTxn, Op, Puts, Txn
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import Compare, PutRequest

__all__ = [
    "MOST_CHANGES",
    "Path",
    "Plan",
    "decide",
    "decided",
    "flattened",
    "plan",
    "reads",
    "still_holds",
    "takes_long",
]

MOST_LOOKED_AT: Final = 128
"""Keys that a transaction may look at while others wait: that is some tenths of a millisecond, or,
of the largest values, some tens of them."""

MOST_CHANGES: Final = 1024
"""Changes since a transaction was decided that are looked at to find out whether that holds."""

_KEYS_PER_WORK: Final = 8
"""Keys of puts that are looked through in the time of an operation of its own."""


class Path(NamedTuple):
    """
    The branch a transaction takes.

    Attributes:
        succeeded: Whether its compares held.
        ops: Its operations.
        nested: The paths of its Txn operations.
        compared: How many compares led here, those of nested transactions included.
        puts: The same operations if they are puts that are written together.

    """

    succeeded: bool
    ops: list[Op]
    nested: dict[int, Path]
    compared: int
    puts: Puts | None = None


class _Deciding:
    """
    What the compares of a transaction, and of those in it, share.

    Attributes:
        work: Those of one list are few; of many inside of each other there may be very many.
        known: What some of them have found out about ranges.
        compared: Is added what they name, None if nobody wants to know.

    """

    __slots__ = ("compared", "known", "work")

    def __init__(self) -> None:
        self.work = Work()
        self.known: Extremes = {}
        self.compared: _Compared | None = None


def decide(
    store: Store, request: Txn, revision: int, shared: _Deciding | None = None
) -> Steps[Path]:
    """Find out which way a transaction goes on the state at ``revision``."""
    shared = shared or _Deciding()
    succeeded, compared = True, 0
    for compare in request.compare:
        compared += 1
        if shared.compared is not None:
            shared.compared.add(compare)
        if not (yield from holds(store, compare, revision, shared.known)):
            succeeded = False
            break
    ops = request.success if succeeded else request.failure
    nested: dict[int, Path] = {}
    for i, (kind, op) in enumerate(ops):
        if kind == TXN:
            yield from shared.work.add(1 + compared)
            nested[i] = yield from decide(store, op, revision, shared)
            compared += nested[i].compared
    puts = request.success_puts if succeeded else request.failure_puts
    return Path(succeeded, ops, nested, compared, puts)


def flattened(path: Path) -> Iterator[Op]:
    """Iterate over the operations of a path; of puts that nothing is asked about the first two."""
    if path.puts is not None:
        yield from path.ops[:2]
        return
    for i, op in enumerate(path.ops):
        if i in path.nested:
            yield from flattened(path.nested[i])
        else:
            yield op


def reads(request: PutRequest) -> bool:
    """Tell whether a put asks for what was there before."""
    return request.prev_kv or request.ignore_value or request.ignore_lease


class Plan(NamedTuple):
    """
    What is known of a transaction before it has its turn.

    Attributes:
        path: The branch that it takes.
        checked: Those of its operations that the store may have something against.
        weighed: Those that are answered with rows.
        revision: As of which its compares were looked at.
        compared: The keys that they name; if one has changed since, the path may be another.
        weight: The bytes of the rows that it is answered with, about; None if nobody knows.
        columns: Its changes, if they were made (``columns.Columns``).

    """

    path: Path
    checked: list[Op]
    weighed: list[Op]
    revision: int = 0
    compared: _Compared | None = None
    weight: int | None = None
    columns: Any = None


class _Compared:
    """The keys that compares name."""

    __slots__ = ("keys", "ranges")

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.ranges = Covered()

    def add(self, compare: Compare) -> None:
        if compare.range_end:
            self.ranges.add(compare.key, compare.range_end)
        else:
            self.keys.add(compare.key)

    def __contains__(self, key: bytes) -> bool:
        return key in self.keys or key in self.ranges


def takes_long(store: Store, request: Txn) -> bool:
    """Tell whether others should not wait while a transaction is decided, or reads."""
    if isinstance(request, LongTxn):
        return request.plan is None
    return _looked_at(store, request, 0) > MOST_LOOKED_AT


def _looked_at(store: Store, request: Txn, number: int) -> int:
    """Add to a number how many keys a transaction looks at, about, as far as is of interest."""
    for compare in request.compare:
        if compare.range_end:
            number += _keys_of(store, compare)
    if request.success_puts is not None and not request.failure:
        return number
    for kind, op in (*request.success, *request.failure):
        if number > MOST_LOOKED_AT:
            break
        if kind == TXN:
            number = _looked_at(store, op, number)
        elif kind == RANGE:
            keys = 1 if op.count_only else _keys_of(store, op)
            number += min(keys, op.limit) if op.limit and is_in_key_order(op) else keys
        elif kind == DELETE:
            number += _keys_of(store, op)
    return number


def _keys_of(store: Store, request: Any) -> int:
    """Return how many keys a compare or a request names that there are."""
    if not request.range_end:
        return 1
    number = store.index.count(*bounds(request.key, request.range_end), store.revision)
    return MOST_LOOKED_AT if number is None else 1 + number


def decided(store: Store, request: Txn, revision: int) -> Steps[Plan]:
    """Find out which way a transaction goes on the state at ``revision``, which is pinned."""
    deciding = _Deciding()
    deciding.compared = compared = _Compared()
    path = yield from decide(store, request, revision, deciding)
    made = yield from _planned(store, path)
    return made._replace(revision=revision, compared=compared)


def still_holds(store: Store, plan: Plan) -> bool:
    """Tell whether a transaction surely goes the way that was found at a revision, still pinned."""
    if store.revision == plan.revision:
        return True
    if store.revision - plan.revision > MOST_CHANGES or plan.compared is None:
        return False
    rows = store.log.scan_rows(row_key(plan.revision + 1, 0))
    for number, (_, row) in enumerate(rows):
        if number == MOST_CHANGES or KeyValue.FromString(row).key in plan.compared:
            return False
    return True


def plan(store: Store, request: LongTxn) -> Steps[None]:
    """Find out what can be known of a long one that writes, before others have to wait for it."""
    path = yield from decide(store, request, store.revision)
    if path.compared:
        return  # something else may be true by then
    request.plan = yield from _planned(store, path)


def _planned(store: Store, path: Path) -> Steps[Plan]:
    planning = _Planning()
    yield from planning.look_through(path)
    for number, some in enumerate(chunks(planning.keys)):
        if number:
            yield
        store.index.expand(some)
    return planning.of(path)


class _Planning:
    """Looks for what is to be known of the operations of a path."""

    __slots__ = ("_asked", "_asks_what_is_there", "_leases", "_weighed", "_work", "keys")

    def __init__(self) -> None:
        self._work = Work()
        self._asked: list[Op] = []
        self._asks_what_is_there = False
        self._leases: set[int] = set()
        self._weighed: list[Op] = []
        #: Those that are put, or deleted one by one.
        self.keys: list[bytes] = []

    def look_through(self, path: Path) -> Steps[None]:
        if path.puts is not None:
            self.keys += path.puts.keys
            yield from self._work.add(1 + len(path.puts.keys) // _KEYS_PER_WORK)
            return
        for i, op in enumerate(path.ops):
            if i in path.nested:
                yield from self.look_through(path.nested[i])
            else:
                self._look_at(op)
            yield from self._work.add(1)

    def _look_at(self, op: Op) -> None:
        kind, request = op
        if kind == PUT:
            self.keys.append(request.key)
            if reads(request):
                self._asked.append(op)
                if request.ignore_value or request.ignore_lease:
                    self._asks_what_is_there = True
            elif request.lease and request.lease not in self._leases:
                # Of all that only hang on it the first says whether it is there.
                self._leases.add(request.lease)
                self._asked.append(op)
        elif kind == DELETE:
            self._asked.append(op)
            if not request.range_end:
                self.keys.append(request.key)
        elif kind == RANGE and request.revision:
            self._asked.append(op)
        if is_answered_with_rows(op):
            self._weighed.append(op)

    def of(self, path: Path) -> Plan:
        checked = self._asked
        if not self._asks_what_is_there:
            # Then it makes no difference what was deleted before.
            checked = [op for op in checked if op[0] != DELETE]
        return Plan(path, checked, self._weighed)
