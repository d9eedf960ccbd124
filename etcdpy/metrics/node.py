"""
The figures of a node: what its parts have counted, and what they are now.

Nothing is walked through for them: how many keys, watchers and leases there are is known anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from etcdpy.config.gates import ALPHA, BETA, GROUPS, Gates
from etcdpy.counters import Histogram, doubling
from etcdpy.memory import UNLIMITED, Budget
from etcdpy.metrics.names import ALWAYS_ZERO, EMPTY_HISTOGRAMS
from etcdpy.metrics.text import Samples, histogram, sample_name
from etcdpy.node.measures import HealthCounts, Measures
from etcdpy.node.parts import Parts
from etcdpy.pb.rpc_pb2 import AlarmType
from etcdpy.version import ETCD_VERSION, GO_VERSION

__all__ = ["node_figures"]


def node_figures(parts: Parts, gates: Gates) -> Iterator[tuple[str, Samples]]:
    """Yield the figures of a node, by their names."""
    for name, value in _numbers(parts):
        yield name, [(name, value)]
    for name in ALWAYS_ZERO:
        yield name, [(name, 0)]
    for name, values in _histograms(parts):
        yield name, list(histogram(name, values))
    for name, bounds in EMPTY_HISTOGRAMS.items():
        yield name, list(histogram(name, Histogram(bounds)))
    yield from _labelled(parts, gates)
    yield from _by_request(parts.measures)
    yield from _health(parts.measures.health)


def _numbers(parts: Parts) -> Iterator[tuple[str, float]]:
    yield from _of_store(parts)
    yield from _of_server(parts)
    yield from _of_memory(parts.memory)
    lessor, hub = parts.leases.lessor, parts.hub
    yield "etcd_debugging_lease_granted_total", lessor.granted
    yield "etcd_debugging_lease_renewed_total", lessor.renewed
    yield "etcd_debugging_lease_revoked_total", lessor.revoked
    yield "etcd_debugging_server_lease_expired_total", parts.expiry.expired
    yield "etcd_debugging_mvcc_events_total", hub.events
    yield "etcd_debugging_mvcc_pending_events_total", hub.backlog.responses
    yield "etcd_debugging_mvcc_slow_watcher_total", hub.slow_watchers
    yield "etcd_debugging_mvcc_watch_stream_total", hub.streams
    yield "etcd_debugging_mvcc_watcher_total", hub.watchers


def _of_store(parts: Parts) -> Iterator[tuple[str, float]]:
    store, measures = parts.store, parts.measures
    operations = store.operations
    yield "etcd_mvcc_range_total", operations.ranges
    yield "etcd_mvcc_put_total", operations.puts
    yield "etcd_mvcc_delete_total", operations.deletes
    yield "etcd_mvcc_txn_total", operations.txns
    yield "etcd_debugging_mvcc_total_put_size_in_bytes", operations.put_bytes
    yield "etcd_debugging_mvcc_keys_total", len(store.index)
    yield "etcd_debugging_mvcc_current_revision", store.durable_revision
    yield "etcd_debugging_mvcc_compact_revision", store.compact_revision
    yield "etcd_debugging_mvcc_db_compaction_keys_total", measures.compacted_rows
    yield "etcd_debugging_mvcc_db_compaction_last", int(measures.compacted_at)
    yield "etcd_mvcc_db_total_size_in_bytes", parts.database.size()
    yield "etcd_mvcc_db_total_size_in_use_in_bytes", parts.database.size_in_use()
    # The one that every read looks through.
    yield "etcd_mvcc_db_open_read_transactions", 1
    yield "etcd_disk_defrag_inflight", measures.defragmenting
    writes = parts.database.writes
    yield "etcd_disk_wal_write_bytes_total", 0 if writes is None else writes.frame_bytes


def _of_server(parts: Parts) -> Iterator[tuple[str, float]]:
    store, health = parts.store, parts.measures.health
    yield "etcd_debugging_auth_revision", parts.users.revision
    yield "etcd_server_has_leader", 1
    yield "etcd_server_is_leader", 1
    yield "etcd_server_leader_changes_seen_total", 1
    yield "etcd_server_proposals_applied_total", store.applied_index
    yield "etcd_server_proposals_committed_total", store.applied_index
    is_settled = store.log.until(store.log.written()) is None
    yield "etcd_server_proposals_pending", 0 if is_settled else 1
    yield "etcd_server_quota_backend_bytes", max(parts.quota.limit, 0)
    yield "etcd_server_slow_apply_total", parts.slow.slow
    yield "etcd_server_health_success", health.successes
    yield "etcd_server_health_failures", health.failures


def _of_memory(memory: Budget) -> Iterator[tuple[str, float]]:
    yield "etcdpy_memory_budget_bytes", 0 if memory.limit == UNLIMITED else memory.limit
    yield "etcdpy_memory_budget_used_bytes", memory.used
    yield "etcdpy_memory_budget_waiting", memory.waiting
    yield "etcdpy_memory_budget_waits_total", memory.waits
    yield "etcdpy_memory_budget_refusals_total", memory.refusals


def _histograms(parts: Parts) -> Iterator[tuple[str, Histogram]]:
    measures, writes = parts.measures, parts.database.writes
    fine = Histogram(doubling(0.001, 14))
    yield "etcd_debugging_lease_ttl_total", parts.leases.lessor.ttls
    frames = fine if writes is None else writes.frames
    # One system call writes and syncs.
    yield "etcd_disk_wal_fsync_duration_seconds", frames
    yield "etcd_disk_wal_write_duration_seconds", frames
    yield (
        "etcd_disk_backend_commit_duration_seconds",
        fine if writes is None else writes.checkpoints,
    )
    commits = fine if writes is None else writes.commits
    yield "etcd_debugging_disk_backend_commit_write_duration_seconds", commits
    yield "etcd_disk_backend_defrag_duration_seconds", measures.defragment
    yield "etcd_disk_backend_snapshot_duration_seconds", measures.snapshot
    yield "etcd_mvcc_hash_duration_seconds", measures.hash_all
    yield "etcd_mvcc_hash_rev_duration_seconds", measures.hash_keys
    yield "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", measures.compaction
    yield "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", measures.compaction_slice
    yield (
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
        measures.index_slice,
    )


def _labelled(parts: Parts, gates: Gates) -> Iterator[tuple[str, Samples]]:
    identity = f"{parts.membership.identity.member_id:x}"
    version = parts.versions.cluster.rpartition(".")[0]
    for name, labels in (
        ("etcd_cluster_version", {"cluster_version": version}),
        ("etcd_network_known_peers", {"Local": identity, "Remote": identity}),
        ("etcd_server_go_version", {"server_go_version": GO_VERSION}),
        ("etcd_server_id", {"server_id": identity}),
        ("etcd_server_version", {"server_version": ETCD_VERSION}),
    ):
        yield name, [(sample_name(name, labels), 1)]
    name = "etcd_server_feature_enabled"
    stages = {**dict.fromkeys(ALPHA, "ALPHA"), **dict.fromkeys(BETA, "BETA")}
    stages |= {"AllAlpha": "ALPHA", "AllBeta": "BETA"}
    yield (
        name,
        [
            (sample_name(name, {"name": gate, "stage": stage}), int(_is_open(gate, gates)))
            for gate, stage in sorted(stages.items())
        ],
    )
    name = "etcd_debugging_server_alarms"
    yield (
        name,
        [
            (sample_name(name, {"alarm_type": AlarmType.Name(alarm.alarm), "server_id": member}), 1)
            for alarm in parts.alarms.matching(AlarmType.NONE)
            for member in (f"{alarm.memberID:x}",)
        ],
    )


def _by_request(measures: Measures) -> Iterator[tuple[str, Samples]]:
    name = "etcd_server_apply_duration_seconds"
    yield (
        name,
        [
            sample
            for kind, values in measures.applied.items()
            for sample in histogram(name, values, {"op": kind, "success": "true", "version": "v3"})
        ],
    )
    name = "etcd_server_range_duration_seconds"
    yield name, list(histogram(name, measures.read, {"success": "true"}))
    name = "etcd_server_request_duration_seconds"
    yield (
        name,
        [
            sample
            for (kind, is_good), values in measures.requests.items()
            for sample in histogram(name, values, {"success": str(is_good).lower(), "type": kind})
        ],
    )


def _is_open(gate: str, gates: Gates) -> bool:
    if gate not in GROUPS:
        return gate in gates
    said = [mention[gate] for mention in gates.said if gate in mention]
    return bool(said) and said[-1]


def _health(health: HealthCounts) -> Iterator[tuple[str, Samples]]:
    checks = sorted(health.checks.items())
    name = "etcd_server_healthcheck"
    yield (
        name,
        [
            (sample_name(name, {"name": check, "type": page}), int(is_good))
            for (page, check), (_, _, is_good) in checks
        ],
    )
    name = "etcd_server_healthchecks_total"
    yield (
        name,
        [
            (sample_name(name, {"name": check, "status": status, "type": page}), number)
            for (page, check), (good, bad, _) in checks
            for status, number in (("success", good), ("error", bad))
            if number
        ],
    )
