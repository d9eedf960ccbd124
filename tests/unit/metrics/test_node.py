"""The figures of a node, after some work."""

from __future__ import annotations

import asyncio
from typing import Any

from etcdpy.config import Config
from etcdpy.config.gates import FeatureGates, Gates
from etcdpy.cooperative import outcome
from etcdpy.metrics.names import FAMILIES
from etcdpy.metrics.node import node_figures
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import decode_txn
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.node.nodes import ANYBODY, IDENTITY, make_node


def opened() -> tuple[Node, FakeLog]:
    log = FakeLog()
    store = Store(log)
    log.serve(store)
    return make_node(store, log), log


def figures(node: Node, gates: Gates | None = None) -> dict[str, float]:
    gathered = node_figures(node.parts, gates or Config().feature_gates)
    return {key: value for _, samples in gathered for key, value in samples}


async def done(log: FakeLog, answer: Any) -> None:
    waiting = asyncio.ensure_future(outcome(answer))
    while not waiting.done():
        await turns()
        log.settle()
    await waiting


def txn(*ops: pb.RequestOp, compare: int = 0) -> Any:
    compares = [
        pb.Compare(key=b"%d" % n, target=pb.Compare.VERSION, version=0) for n in range(compare)
    ]
    return decode_txn(pb.TxnRequest(compare=compares, success=ops).SerializeToString())


def put_op(key: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=b"v"))


def operations(node: Node) -> tuple[float, ...]:
    told = figures(node)
    return tuple(told[f"etcd_mvcc_{name}_total"] for name in ("range", "put", "delete", "txn"))


async def test_every_name_is_known_and_comes_once() -> None:
    node, _ = opened()
    names = [name for name, _ in node_figures(node.parts, Config().feature_gates)]
    assert len(names) == len(set(names))
    assert set(names) <= FAMILIES.keys()


async def test_new_node_has_done_nothing() -> None:
    node, _ = opened()
    told = figures(node)
    assert operations(node) == (0, 0, 0, 0)
    assert told["etcd_debugging_mvcc_compact_revision"] == -1
    assert told["etcd_debugging_mvcc_current_revision"] == 1
    assert told["etcd_server_has_leader"] == told["etcd_server_is_leader"] == 1
    assert told[f'etcd_server_id{{server_id="{IDENTITY.member_id:x}"}}'] == 1
    assert told['etcd_cluster_version{cluster_version="3.7"}'] == 1


async def test_put_and_what_was_there_before_are_two_operations() -> None:
    node, log = opened()
    await done(log, node.put(pb.PutRequest(key=b"a", value=b"12345"), ANYBODY))
    assert operations(node) == (0, 1, 0, 0)
    await done(log, node.put(pb.PutRequest(key=b"a", value=b"12345", prev_kv=True), ANYBODY))
    assert operations(node) == (1, 2, 0, 1)
    told = figures(node)
    assert told["etcd_debugging_mvcc_total_put_size_in_bytes"] == 12
    assert told["etcd_debugging_mvcc_keys_total"] == 1
    assert told["etcd_debugging_mvcc_current_revision"] == 3


async def test_deletion_is_one_operation_for_any_number_of_keys() -> None:
    node, log = opened()
    for key in (b"a", b"b", b"c"):
        await done(log, node.put(pb.PutRequest(key=key), ANYBODY))
    await done(log, node.delete_range(pb.DeleteRangeRequest(key=b"a", range_end=b"c"), ANYBODY))
    assert operations(node) == (0, 3, 1, 0)
    assert figures(node)["etcd_debugging_mvcc_keys_total"] == 1


async def test_transaction_counts_if_it_is_of_more_than_one_operation() -> None:
    node, log = opened()
    await done(log, node.txn(txn(put_op(b"a")), ANYBODY))
    assert operations(node) == (0, 1, 0, 0)
    await done(log, node.txn(txn(put_op(b"a"), put_op(b"b")), ANYBODY))
    assert operations(node) == (0, 3, 0, 1)
    # A compare is a read, and two of them are a transaction of their own.
    await done(log, node.txn(txn(put_op(b"a"), compare=1), ANYBODY))
    assert operations(node) == (1, 4, 0, 1)
    await done(log, node.txn(txn(put_op(b"a"), compare=2), ANYBODY))
    assert operations(node) == (3, 5, 0, 2)


async def test_reads_count_however_they_are_answered() -> None:
    node, log = opened()
    await done(log, node.range(pb.RangeRequest(key=b"a"), ANYBODY))
    await done(log, node.range(pb.RangeRequest(key=b"a", range_end=b"z"), ANYBODY))
    assert operations(node) == (2, 0, 0, 0)


async def test_leases_are_counted() -> None:
    node, log = opened()
    await done(log, node.lease_grant(pb.LeaseGrantRequest(ID=7, TTL=100), ANYBODY))
    node.lease_keep_alive(pb.LeaseKeepAliveRequest(ID=7), ANYBODY)
    told = figures(node)
    assert told["etcd_debugging_lease_granted_total"] == 1
    assert told["etcd_debugging_lease_renewed_total"] == 1
    assert told["etcd_debugging_lease_ttl_total_sum"] == 100
    assert told['etcd_debugging_lease_ttl_total_bucket{le="64"}'] == 0
    assert told['etcd_debugging_lease_ttl_total_bucket{le="128"}'] == 1


async def test_alarm_that_is_on_is_told_of() -> None:
    node, _ = opened()
    node.parts.alarms.activate(0xAB, pb.NOSPACE)
    name = 'etcd_debugging_server_alarms{alarm_type="NOSPACE",server_id="ab"}'
    assert figures(node)[name] == 1


async def test_gates_are_told_of_by_their_stage() -> None:
    node, _ = opened()
    name = "etcd_server_feature_enabled"
    lease, all_alpha, all_beta, fast = (
        f'{name}{{name="{gate}",stage="{stage}"}}'
        for gate, stage in (
            ("LeaseCheckpoint", "ALPHA"),
            ("AllAlpha", "ALPHA"),
            ("AllBeta", "BETA"),
            ("FastLeaseKeepAlive", "BETA"),
        )
    )
    told = figures(node)
    assert (told[lease], told[all_alpha], told[all_beta], told[fast]) == (0, 0, 0, 1)
    told = figures(node, FeatureGates().parse("AllAlpha=true"))
    assert (told[lease], told[all_alpha], told[all_beta]) == (1, 1, 0)


async def test_checks_of_health_are_told_of_once_there_were_any() -> None:
    node, _ = opened()
    assert not [key for key in figures(node) if "healthcheck" in key]
    node.parts.measures.health.note_check("readyz", "non_learner", is_good=True)
    told = {key: value for key, value in figures(node).items() if "healthcheck" in key}
    assert told == {
        'etcd_server_healthcheck{name="non_learner",type="readyz"}': 1,
        'etcd_server_healthchecks_total{name="non_learner",status="success",type="readyz"}': 1,
    }
