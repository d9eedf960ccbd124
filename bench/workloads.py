"""The workloads there are, and their choice by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from itertools import cycle

from bench import requests as rq
from bench.defrag import Defragment
from bench.footprint import Footprint
from bench.lease import LONG_TTL, lease_workloads
from bench.lease_client import GRANT, grant
from bench.load import Load
from bench.measure import Drive, LoadWorkload, Metric, Workload
from bench.servers import Server
from bench.users import log_in
from bench.walk import Walk
from bench.watch import watch_workloads

#: Connections, and streams on each.
Shape = tuple[int, int]
SHAPES: tuple[Shape, ...] = ((1, 1), (100, 1), (1000, 1), (10, 10))
LARGE_SHAPES: tuple[Shape, ...] = ((1, 1), (10, 1))


@dataclass(frozen=True)
class Scale:
    """How much a run does."""

    #: Seconds that a round of load is measured.
    seconds: float
    walk_keys: int
    footprint_keys: tuple[int, ...]
    watches: int
    leases: int
    defragmented: int


#: Workloads under one name: what passes through the code that every request passes through.
GROUPS: Mapping[str, Sequence[str]] = {
    "hot": (
        "put/100x1",
        "put/1000x1",
        "range/100x1",
        "range/1000x1",
        "put-ping/100x1",
        "txn/100x1",
        "txn-put/100x1",
        "txn-puts/100x1",
        "txn-mixed/100x1",
        "keepalive/100",
        "keepalive-once/100",
        "watch/1000",
    ),
}

QUICK = Scale(0.5, 50_000, (50_000,), 20_000, 10_000, 32 << 20)
NORMAL = Scale(2.0, 200_000, (200_000,), 100_000, 100_000, 256 << 20)
FULL = Scale(5.0, 200_000, (200_000, 1_000_000), 100_000, 100_000, 1 << 30)
#: For many rounds: of two programs so much alike, more turns say more than longer ones.
TURNS = replace(NORMAL, seconds=1.0)


class Steady(LoadWorkload):
    """Requests at a constant number under way, counted for a while."""

    def __init__(self, name: str, title: str, mix: rq.Mix, shape: Shape, seconds: float) -> None:
        self._mix = mix
        self._shape = shape
        self.seconds = seconds
        self.name = f"{name}/{shape[0]}x{shape[1]}"
        self.metrics = (Metric(f"{title}, {_describe(shape)}", "op/s"),)

    def prepare(self, server: Server) -> None:
        rq.fill(server, rq.KEYS)
        if server.program.has_users:
            server.token = log_in(server)

    @contextmanager
    def connected(self, server: Server) -> Iterator[Drive]:
        caller = server.authority, server.token
        requests = cycle(self._mix.requests(*caller))
        with Load(server.address, *self._shape, self._mix.prime(*caller)) as load:
            yield partial(load.stretch, requests)


def workloads(scale: Scale) -> list[Workload]:
    """Every workload of a run of this scale, in the table's order."""
    mixes = [
        ("put", "Put", rq.Mix([(rq.PUT, rq.put)], [100]), SHAPES),
        ("range", "Range of one key", rq.Mix([(rq.RANGE, rq.read)], [100]), SHAPES),
        (
            "serializable",
            "Range of one key, serializable",
            rq.Mix([(rq.RANGE, rq.read_serializable)], [100]),
            SHAPES,
        ),
        ("txn", "Txn: compare, then Put", rq.Mix([(rq.TXN, rq.compare_and_put)], [100]), SHAPES),
        (
            "put-ping",
            "Put behind a PING",
            rq.Mix([(rq.PUT, rq.put)], [100], pings=True),
            ((100, 1),),
        ),
        ("txn-puts", "Txn: 16 Puts", rq.Mix([(rq.TXN, rq.put_sixteen)], [100]), ((100, 1),)),
        (
            "txn-mixed",
            "Txn: compare, then Put and Range",
            rq.Mix([(rq.TXN, rq.compare_put_and_read)], [100]),
            ((100, 1),),
        ),
        ("txn-put", "Txn: Put", rq.Mix([(rq.TXN, rq.put_alone)], [100]), ((100, 1),)),
        (
            "mixed",
            "90 % Range, 10 % Put",
            rq.Mix([(rq.RANGE, rq.read), (rq.PUT, rq.put)], [90, 10]),
            SHAPES,
        ),
        (
            "large",
            "Range of 1,000 keys",
            rq.Mix([(rq.RANGE, rq.read_thousand)], [100]),
            LARGE_SHAPES,
        ),
        (
            "grant",
            "LeaseGrant",
            rq.Mix([(GRANT, lambda _: grant(0, LONG_TTL))], [100]),
            ((1, 1), (100, 1)),
        ),
    ]
    steady = [
        Steady(name, title, mix, shape, scale.seconds)
        for name, title, mix, shapes in mixes
        for shape in shapes
    ]
    walks = [Walk(scale.walk_keys, pinned) for pinned in (False, True)]
    footprints = [Footprint(count) for count in scale.footprint_keys]
    watches = watch_workloads(scale.seconds, scale.watches)
    leases = lease_workloads(scale.seconds, scale.leases)
    defragment = Defragment(scale.defragmented)
    return [*steady, *walks, *footprints, *watches, *leases, defragment]


def chosen(everything: Sequence[Workload], names: Sequence[str]) -> list[Workload]:
    """
    The workloads that ``names`` stand for: whole names, their first parts, patterns, or groups.

    Raises:
        ValueError: A name stands for none.

    """
    patterns = [pattern for name in names for pattern in GROUPS.get(name, [name])]
    for pattern in patterns:
        if not any(_matches(w, pattern) for w in everything):
            known = ", ".join([*(w.name for w in everything), *GROUPS])
            raise ValueError(f"no workload is called {pattern!r}; there are: {known}")
    return [w for w in everything if not names or any(_matches(w, p) for p in patterns)]


def _matches(workload: Workload, name: str) -> bool:
    return workload.name.partition("/")[0] == name or fnmatch(workload.name, name)


def _describe(shape: Shape) -> str:
    connections, streams = shape
    if shape == (1, 1):
        return "one client"
    return f"{connections:,} connections" + (f" x {streams} streams" if streams > 1 else "")
