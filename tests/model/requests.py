"""Random requests over a few dozen keys that like to collide, be prefixes, and be odd."""

from __future__ import annotations

from random import Random

from etcdpy.pb.rpc_pb2 import Compare, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest

KEYS = [
    b"\0",
    b"\0\0",
    b"a",
    b"a\0",
    b"a\0\0",
    b"a\xff",
    b"ab",
    b"b",
    *(b"k%02d" % n for n in range(24)),
    b"k\xff",
    b"\xff",
    b"\xff\xff",
]
_RANGE_ENDS = [b"\0", b"a\x01", b"b", b"k", b"k1", b"l", b"\xff", b"\xff\xff\xff"]
_VALUES = [b"", b"x", b"y", b"\0\xff", b"v" * 200]


class Requests:
    """A source of requests; ``revision`` is where the numbers it draws lie around."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.revision = 1

    def key(self) -> bytes:
        return self._random.choice(KEYS) if self._random.random() < 0.99 else b""

    def number(self) -> int:
        """Return a number that could be a revision, mostly one that exists."""
        if self._random.random() < 0.1:
            return self._random.choice([-5, -2, -1, (1 << 63) - 1, -(1 << 63)])
        return self._random.randint(0, self.revision + 1)

    def range_end(self) -> bytes:
        draw = self._random.random()
        if draw < 0.35:
            return b""
        return self._random.choice(KEYS if draw < 0.6 else _RANGE_ENDS)

    def range(self) -> RangeRequest:
        random = self._random
        request = RangeRequest(key=self.key(), range_end=self.range_end())
        if random.random() < 0.4:
            request.revision = self.number()
        if random.random() < 0.5:
            request.limit = random.choice([1, 2, 3, 5, 10, 10, 35, 36, 37, -1, (1 << 63) - 1])
        if random.random() < 0.4:
            request.sort_order = random.choice([0, 1, 2])  # type: ignore[assignment]
            request.sort_target = random.choice([0, 1, 2, 3, 4])  # type: ignore[assignment]
        if random.random() < 0.01:
            request.sort_order = 3  # type: ignore[assignment]
        if random.random() < 0.01:
            request.sort_target = 5  # type: ignore[assignment]
        request.keys_only = random.random() < 0.2
        request.count_only = random.random() < 0.15
        for name in ("min_mod", "max_mod", "min_create", "max_create"):
            if random.random() < 0.05:
                setattr(request, name + "_revision", self.number())
        return request

    def page(self) -> RangeRequest:
        """Return a page of a walk at an older revision, as clients read a large prefix."""
        revision = max(self.revision - self._random.randint(0, 30), 0)
        key = self._random.choice([b"\0", b"a", b"k", b"k10"])
        limit = self._random.randint(1, 12)
        return RangeRequest(key=key, range_end=b"\0", revision=revision, limit=limit)

    def put(self) -> PutRequest:
        random = self._random
        request = PutRequest(key=self.key(), value=random.choice(_VALUES))
        request.prev_kv = random.random() < 0.2
        if random.random() < 0.15:
            request.lease = random.choice([1, 2, 1 << 62, 99])
        if random.random() < 0.1:
            request.ignore_value = True
            if random.random() < 0.9:
                request.value = b""
        if random.random() < 0.1:
            request.ignore_lease = True
            if random.random() < 0.9:
                request.lease = 0
        return request

    def delete_range(self) -> DeleteRangeRequest:
        range_end = self.range_end() if self._random.random() < 0.5 else b""
        prev_kv = self._random.random() < 0.3
        return DeleteRangeRequest(key=self.key(), range_end=range_end, prev_kv=prev_kv)

    def compare(self) -> Compare:
        random = self._random
        compare = Compare(key=self.key(), range_end=self.range_end())
        compare.target = random.choice([0, 1, 2, 3, 4])  # type: ignore[assignment]
        compare.result = random.choice([0, 0, 1, 2, 3])  # type: ignore[assignment]
        if random.random() < 0.02:
            compare.target = 7  # type: ignore[assignment]
        if random.random() < 0.02:
            compare.result = 9  # type: ignore[assignment]
        fields = ["version", "create_revision", "mod_revision", "value", "lease"]
        match random.choice([*fields, "", fields[compare.target % 5], fields[compare.target % 5]]):
            case "value":
                compare.value = random.choice(_VALUES)
            case "version" | "lease" as name:
                setattr(compare, name, random.choice([0, 1, 1, 2, 3]))
            case "":
                pass
            case name:
                setattr(compare, name, self.number())
        return compare

    def txn(self, depth: int = 0) -> TxnRequest:
        random = self._random
        request = TxnRequest()
        for _ in range(random.choice([0, 0, 1, 1, 2])):
            request.compare.append(self.compare())
        only_ranges = depth == 0 and random.random() < 0.2
        for branch in (request.success, request.failure):
            for _ in range(random.choice([0, 1, 2, 3, 5])):
                op = branch.add()
                draw = 0.0 if only_ranges else random.random()
                if draw < 0.3:
                    op.request_range.CopyFrom(self.range())
                    if random.random() < 0.7:
                        op.request_range.revision = 0
                elif draw < 0.6:
                    op.request_put.CopyFrom(self.put())
                elif draw < 0.8:
                    op.request_delete_range.CopyFrom(self.delete_range())
                elif draw < 0.995 and depth < 3:
                    op.request_txn.CopyFrom(self.txn(depth + 1))
        return request
