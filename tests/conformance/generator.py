"""Random requests: adversarial keys, every option, nested transactions, and much that is invalid.

A request depends on its own random source and on the span of revisions that may be of interest,
on nothing else: leaving some requests out of a run does not change what the others are like.

Left out on purpose, as real etcd answers them wrongly or dies of them:

* in a transaction, a delete that goes to the end of all keys before a put: a put of a key that it
  deleted can end the process there and then, or later, when its revision is compacted;
* in a transaction, a sorted range that is cut, or that is sorted by values it does not return:
  what cannot be seen whole cannot be told apart from another order of equals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import messages
from tests.conformance.messages import ALL, EMPTY, Operation
from tests.conformance.peers import RANGE_STREAM, Call, operations

T = TypeVar("T")

MAX_DEPTH = 5
INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)

KEYS = (
    *(b"\0", b"\0\0", b"\0\xff", b"\x01", b"\x7f", b"\x80"),
    *(b"a", b"a\0", b"a\0\0", b"a\xff", b"aa", b"ab", b"b", b"b\0"),
    *(b"key", b"key/", b"key/1", b"key/10", b"key/2", b"key0"),
    *(b"\xfe", b"\xfe\xff", b"\xff", b"\xff\xff", b"\xff\xff\xff"),
    *(b"k" * 300, b"k" * 300 + b"\0", b"k" * 5000),
)
VALUES = (b"", b"\0", b"v", b"v", b"w", b"\xff" * 20, b"x" * 200, b"y" * 5000)
LEASES = (7001, 7002)
UNKNOWN_LEASES = (99, -1, INT64_MAX)
TTL = 3600
BOUNDS = ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision")
ODD_ENUMS = (5, 9, -1, 2**31 - 1, -(2**31))


def generate(rng: Random, low: int, high: int, leases: Sequence[int] = ()) -> Call:
    """Make a request; ``low`` is an early and ``high`` the current revision of the store.

    Without ``leases`` to grant, use and revoke, none but unknown leases are spoken of.
    """
    return _Generator(rng, low, high, leases).call()


@dataclass(frozen=True)
class _Generator:
    rng: Random
    low: int
    high: int
    leases: Sequence[int]

    def call(self) -> Call:
        kinds: dict[Callable[[], Any], int] = {
            self.range: 26,
            self.put: 30,
            self.delete: 7,
            self.txn: 30,
            self.compaction: 2,
            self.stream: 6,
        }
        if self.leases:
            kinds[self.grant_or_revoke] = 2
        (kind,) = self.rng.choices(list(kinds), list(kinds.values()))
        request = kind()
        return request if isinstance(request, Call) else Call.of(request)

    # -------------------- requests

    def range(self, *, inside: bool = False) -> pb.RangeRequest:
        request = messages.get(self.key(), self.end())
        request.limit = self.odd([0], [1, 2, 3, 5, 10, 30, -1, INT64_MAX, INT64_MIN], 0.4)
        request.revision = self.revision()
        request.serializable = self.chance(0.2)
        request.keys_only = self.chance(0.2)
        request.count_only = self.chance(0.1)
        if self.chance(0.4):
            # Numbers that are no members of the enums as well: to setattr any number is one.
            setattr(request, "sort_order", self.odd([0, 1, 2], ODD_ENUMS, 0.04))  # noqa: B010
            setattr(request, "sort_target", self.odd(range(5), ODD_ENUMS, 0.04))  # noqa: B010
        if self.chance(0.2):
            for bound in self.rng.sample(BOUNDS, self.rng.choice([1, 1, 2, 4])):
                setattr(request, bound, self.revision())
        if inside and request.sort_target != pb.RangeRequest.KEY:
            request.limit = 0
            request.keys_only = False
        return request

    def stream(self) -> Call:
        return Call(RANGE_STREAM, self.range())

    def put(self) -> pb.PutRequest:
        request = messages.put(self.key(), self.rng.choice(VALUES))
        request.lease = self.odd([0, *self.leases], UNKNOWN_LEASES, 0.04)
        request.prev_kv = self.chance(0.3)
        if self.chance(0.15):
            request.ignore_value = self.chance(0.6)
            request.ignore_lease = self.chance(0.6)
            if self.chance(0.8):
                request.value = b""
        return request

    def delete(self) -> pb.DeleteRangeRequest:
        request = messages.delete(self.key(), self.end(0.2), prev_kv=self.chance(0.4))
        # Everything at once would leave too little to look at, too often.
        if request.range_end == ALL and self.chance(0.7):
            request.range_end = b""
        return request

    def compaction(self) -> pb.CompactionRequest:
        revision = self.odd(
            [self.low, self.rng.randint(self.low, self.high)],
            [self.high, self.high + 1, 0, -1, INT64_MAX, INT64_MIN],
            0.4,
        )
        return messages.compact(revision, physical=self.chance(0.5))

    def grant_or_revoke(self) -> pb.LeaseGrantRequest | pb.LeaseRevokeRequest:
        lease = self.rng.choice(self.leases)
        if self.chance(0.6):
            return pb.LeaseGrantRequest(ID=lease, TTL=TTL)
        return pb.LeaseRevokeRequest(ID=lease)

    def txn(self) -> pb.TxnRequest:
        request = self.nested_txn(1)
        _keep_deletes_before_puts_short(request)
        return request

    def nested_txn(self, depth: int) -> pb.TxnRequest:
        request = messages.txn(
            *self.branch(depth),
            when=[self.compare() for _ in range(self.size())],
            otherwise=self.branch(depth),
        )
        if self.chance(0.01):
            request.compare.extend([self.compare()] * self.rng.randint(120, 132))
        return request

    def branch(self, depth: int) -> list[Operation]:
        if self.chance(0.02):
            count = self.rng.randint(120, 132)
            return [messages.put(b"many/%d" % number) for number in range(count)]
        return [self.operation(depth) for _ in range(self.size())]

    def operation(self, depth: int) -> Operation:
        kinds: dict[Callable[[], Operation], float] = {
            lambda: self.range(inside=True): 4,
            self.put: 4,
            self.delete: 1.5,
            lambda: EMPTY: 0.05,
        }
        if depth < MAX_DEPTH:
            kinds[lambda: self.nested_txn(depth + 1)] = 2.5
        (kind,) = self.rng.choices(list(kinds), list(kinds.values()))
        return kind()

    def compare(self) -> pb.Compare:
        operands: dict[str, Any] = {
            "version": self.rng.choice([0, 1, 2, 3, -1]),
            "create_revision": self.revision(),
            "mod_revision": self.revision(),
            "value": self.rng.choice(VALUES),
            "lease": self.rng.choice([0, 0, 99, *self.leases]),
        }
        target = self.odd(range(5), ODD_ENUMS, 0.03)
        right = list(operands)[target % 5]
        operand: dict[str, Any] = {right: operands[right]}
        if self.chance(0.1):
            operand = dict([self.rng.choice(list(operands.items()))])
        if self.chance(0.05):
            operand = {}
        result = self.odd(range(4), ODD_ENUMS, 0.03)
        return messages.compare(self.key(), target, result, self.end(0.3), **operand)

    # -------------------- parts

    def key(self) -> bytes:
        if self.chance(0.004):
            return b""
        if self.chance(0.03):
            return self.rng.randbytes(self.rng.choice([1, 2, 3, 17]))
        return self.rng.choice(KEYS)

    def end(self, probability: float = 0.6) -> bytes:
        if not self.chance(probability):
            return b""
        return self.rng.choice(
            [ALL, ALL, self.key() + b"\0", b"\xff\xff\xff\xff", self.key(), self.key(), self.key()]
        )

    def revision(self) -> int:
        near = self.rng.randint(self.low - 2, self.high)
        edges = [self.high, self.high + 1, -1, -2, -5, 1, INT64_MAX, INT64_MIN]
        return self.odd([0, 0, 0, 0, near, near, near], edges, 0.08)

    def size(self) -> int:
        return self.rng.choice([0, 0, 1, 1, 1, 2, 2, 3, 5])

    def odd(self, usual: Any, unusual: Any, probability: float) -> int:
        number: int = self.rng.choice(unusual if self.chance(probability) else usual)
        return number

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability


def _keep_deletes_before_puts_short(request: pb.TxnRequest) -> None:
    put_follows = False
    for op in reversed(list(operations(request))):
        put_follows = put_follows or op.HasField("request_put")
        if put_follows and op.request_delete_range.range_end == ALL:
            op.request_delete_range.range_end = b"\xff\xff\xff\xff"
