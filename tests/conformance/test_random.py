"""Random requests to both servers; a mismatch is cut down to the few requests that show it.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_CONFORMANCE_COUNT`` sets its length.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.conftest import StartPair, is_served, steps_of
from tests.conformance.generator import LEASES, TTL, generate
from tests.conformance.messages import EVERYTHING, delete, get, put
from tests.conformance.pair import MismatchError, Pair, shown
from tests.conformance.peers import Call
from tests.conformance.shrinking import shrink
from tests.support.seeds import SEED

COUNT = int(os.environ.get("ETCDPY_CONFORMANCE_COUNT") or 5100)

# The store is emptied after so many requests: long histories, yet short enough to cut down.
EPOCH = 300


def test_random_requests(start_pair: StartPair) -> None:
    print(f"ETCDPY_SEED={SEED}")
    with start_pair() as pair:
        count = steps_of(pair, COUNT)
        for first in range(0, count, EPOCH):
            steps = range(first, min(first + EPOCH, count))
            try:
                _run(pair, steps)
            except MismatchError as error:
                pytest.fail(_report(pair, steps, error), pytrace=False)
            if first // EPOCH == count // EPOCH // 2:
                pair.crash()


def _run(pair: Pair, steps: Sequence[int]) -> list[Call]:
    """Empty the store, send the requests of these steps and read it all back."""
    calls: list[Call] = []
    leases = LEASES if is_served("Lease/LeaseGrant") else ()
    for lease in leases:
        pair.send(pb.LeaseRevokeRequest(ID=lease))
        pair.send(pb.LeaseGrantRequest(ID=lease, TTL=TTL))
    pair.send(put(b"gone"))
    low = high = floor = pair.send(delete(*EVERYTHING)).reply.header.revision
    try:
        for step in steps:
            calls.append(generate(Random(f"{SEED}/{step}"), low, high, leases))
            outcome = pair.send(calls[-1])
            high = max([high, *(_revision(reply) for reply in outcome.replies)])
            if isinstance(calls[-1].request, pb.CompactionRequest) and not outcome.error:
                floor = max(floor, calls[-1].request.revision)
        # One more, as older servers drop a deletion that is the last thing before a compaction.
        last = pair.send(put(b"last")).reply.header.revision
        pair.history(floor + 1, last)
        for revision in range(low, high + 1, 1 + (high - low) // 20):
            pair.send(get(*EVERYTHING, revision=revision))
    except MismatchError as error:
        error.calls = calls
        raise
    return calls


def _revision(reply: Any) -> int:
    revision: int = getattr(reply, "range_response", reply).header.revision
    return revision


def _report(pair: Pair, steps: Sequence[int], error: MismatchError) -> str:
    def again(fewer: Sequence[int]) -> None:
        pair.settle()
        _run(pair, fewer)

    few, error = shrink(again, list(steps), error)
    requests = "\n".join(map(shown, error.calls))
    return (
        f"seed {SEED}, step {steps[0] + len(error.calls) - 1} or a later one; "
        f"it takes the steps {few}, on an empty store:\n{requests}\n{error}"
    )
