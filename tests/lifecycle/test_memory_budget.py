"""A client that takes nothing it has asked for holds up itself alone, and the log tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.rpc_pb2_grpc import KVStub
from tests.conformance.locking import wait_for
from tests.fairness.wire import RANGE, Wire
from tests.lifecycle.process import PORT_0, Process
from tests.support.http1 import get

BUDGET = 4_000_000
REACHED = "memory budget reached, clients that hold much have to wait"
LEFT = "memory budget left, no client has to wait"

#: A megabyte in all.
ALL_KEYS = pb.RangeRequest(key=b"k", range_end=b"l")
KEYS, SIZE = 20, 50_000

#: Seconds after which a call fails that should be answered at once, also on a busy machine.
PATIENCE = 60.0


@contextmanager
def served(data_dir: Path) -> Iterator[tuple[Process, str, KVStub]]:
    arguments = ("--data-dir", data_dir, *PORT_0, f"--memory-budget={BUDGET}")
    with Process(*arguments) as server:
        (address,) = server.wait_ready()
        with grpc.insecure_channel(address) as channel:
            kv = KVStub(channel)  # type: ignore[no-untyped-call]
            for i in range(KEYS):
                kv.Put(pb.PutRequest(key=b"k%d" % i, value=bytes(SIZE)), timeout=PATIENCE)
            yield server, address, kv


def figures(address: str) -> dict[str, float]:
    text = get(address, "/metrics").body.decode()
    lines = [line.split() for line in text.splitlines() if line.startswith("etcdpy_memory")]
    return {name.removeprefix("etcdpy_memory_budget_"): float(value) for name, value in lines}


def wait_until_nothing_is_held(address: str) -> None:
    """Wait for the rest: the log tells when half is free."""

    def is_so() -> bool:
        told = figures(address)
        return (told["waiting"], told["used_bytes"]) == (0, 0)

    wait_for(is_so, "nothing is held, and nobody waits")


def test_client_that_reads_nothing_holds_up_nobody_else(tmp_path: Path) -> None:
    with served(tmp_path / "d") as (server, address, kv):
        greedy = Wire(address, window=65535, stream_window=65535, reads=False)
        with closing(greedy):
            for _ in range(20):
                greedy.call(RANGE, ALL_KEYS)
            greedy.write()
            assert server.wait_line(REACHED)["budget-bytes"] == BUDGET
            kv.Put(pb.PutRequest(key=b"a", value=b"b"), timeout=PATIENCE)
            assert kv.Range(pb.RangeRequest(key=b"a"), timeout=PATIENCE).count == 1
            assert len(kv.Range(ALL_KEYS, timeout=PATIENCE).kvs) == KEYS
            told = figures(address)
            assert (told["bytes"], told["refusals_total"]) == (BUDGET, 0)
            assert told["waiting"] >= 1
            assert KEYS * SIZE <= told["used_bytes"] <= BUDGET
        server.wait_line(LEFT)
        wait_until_nothing_is_held(address)


def test_reply_that_is_larger_than_the_budget_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "d") as (server, address, kv):
        whole = pb.RequestOp(request_range=ALL_KEYS)
        put = pb.RequestOp(request_put=pb.PutRequest(key=b"a", value=b"b"))
        for operations in ([whole] * 5, [put, *[whole] * 5]):
            with pytest.raises(grpc.RpcError) as refused:
                kv.Txn(pb.TxnRequest(success=operations), timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refused.value.details() == "etcdserver: memory budget exceeded"
        # Before anything was written.
        assert kv.Range(pb.RangeRequest(key=b"a"), timeout=PATIENCE).count == 0
        server.wait_line(REACHED)
        wait_until_nothing_is_held(address)
        assert figures(address)["refusals_total"] == 2
