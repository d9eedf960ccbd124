"""
The well-behaved client: one connection, on which it puts a key and reads it, over and over.

``python -m tests.fairness.bystander HOST:PORT`` begins at once and ends when its input does; then
it prints, as JSON, what it has seen.
"""

from __future__ import annotations

import json
import select
import sys
import time
from typing import NamedTuple

from bench.http2 import Address, Connection, LoadError, methods
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness.wire import PUT, RANGE

#: Between two calls: it is no load of its own.
PAUSE = 0.002


class Waits(NamedTuple):
    """Milliseconds that calls of one kind took, and how many there were."""

    calls: int
    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: list[float]) -> Waits:
        ordered = sorted(seconds) or [0.0]
        last = len(ordered) - 1
        at = (ordered[round(last * share)] * 1000 for share in (0.5, 0.99, 1.0))
        return cls(len(seconds), *at)


def main(address: str) -> None:
    """Measure until standard input ends."""
    host, _, port = address.rpartition(":")
    connection = Connection(Address(host, int(port)))
    put, read = methods(address, PUT, RANGE)
    key = b"/bystander"
    bodies = (
        (put, pb.PutRequest(key=key, value=b"x" * 64).SerializeToString()),
        (read, pb.RangeRequest(key=key).SerializeToString()),
    )
    connection.prime(bodies)
    print("ready", flush=True)
    taken: tuple[list[float], list[float]] = ([], [])
    failed = ""
    try:
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            for seconds, (method, body) in zip(taken, bodies, strict=True):
                began = time.perf_counter()
                connection.call(method.request(body))
                seconds.append(time.perf_counter() - began)
    except (LoadError, OSError) as error:
        failed = str(error)
    print(json.dumps({"put": Waits.of(taken[0]), "range": Waits.of(taken[1]), "failed": failed}))


if __name__ == "__main__":
    main(sys.argv[1])
