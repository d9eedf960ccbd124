"""
The names of etcd's figures, and of a few of ours: what kind each is, and what it says of itself.

Dashboards know them by these names, and people by these words; docs/metrics.md tells what each
means here. Those of the Go runtime are left out, as there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from etcdpy.counters import doubling

__all__ = ["ALWAYS_ZERO", "EMPTY_HISTOGRAMS", "FAMILIES", "Family"]


class Family(NamedTuple):
    """
    What the samples of a name have in common.

    Attributes:
        kind: ``counter``, ``gauge`` or ``histogram``.
        text: What they are, in etcd's words.

    """

    kind: str
    text: str


COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

FAMILIES: Final[Mapping[str, Family]] = {
    "etcd_cluster_version": Family(
        GAUGE,
        "Which version is running. 1 for 'cluster_version' label with current cluster version",
    ),
    "etcd_debugging_auth_revision": Family(GAUGE, "The current revision of auth store."),
    "etcd_debugging_disk_backend_commit_rebalance_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of commit.rebalance called by bboltdb backend.",
    ),
    "etcd_debugging_disk_backend_commit_spill_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of commit.spill called by bboltdb backend.",
    ),
    "etcd_debugging_disk_backend_commit_write_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of commit.write called by bboltdb backend.",
    ),
    "etcd_debugging_lease_granted_total": Family(COUNTER, "The total number of granted leases."),
    "etcd_debugging_lease_renewed_total": Family(
        COUNTER,
        "The number of renewed leases seen by the leader.",
    ),
    "etcd_debugging_lease_revoked_total": Family(COUNTER, "The total number of revoked leases."),
    "etcd_debugging_lease_ttl_total": Family(HISTOGRAM, "Bucketed histogram of lease TTLs."),
    "etcd_debugging_mvcc_compact_revision": Family(
        GAUGE,
        "The revision of the last compaction in store.",
    ),
    "etcd_debugging_mvcc_current_revision": Family(GAUGE, "The current revision of store."),
    "etcd_debugging_mvcc_db_compaction_keys_total": Family(
        COUNTER,
        "Total number of db keys compacted.",
    ),
    "etcd_debugging_mvcc_db_compaction_last": Family(
        GAUGE,
        "The unix time of the last db compaction. Resets to 0 on start.",
    ),
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds": Family(
        HISTOGRAM,
        "Bucketed histogram of db compaction pause duration.",
    ),
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds": Family(
        HISTOGRAM,
        "Bucketed histogram of db compaction total duration.",
    ),
    "etcd_debugging_mvcc_events_total": Family(
        COUNTER,
        "Total number of events sent by this member.",
    ),
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds": Family(
        HISTOGRAM,
        "Bucketed histogram of index compaction pause duration.",
    ),
    "etcd_debugging_mvcc_keys_total": Family(GAUGE, "Total number of keys."),
    "etcd_debugging_mvcc_pending_events_total": Family(
        GAUGE,
        "Total number of pending events to be sent.",
    ),
    "etcd_debugging_mvcc_slow_watcher_total": Family(
        GAUGE,
        "Total number of unsynced slow watchers.",
    ),
    "etcd_debugging_mvcc_total_put_size_in_bytes": Family(
        GAUGE,
        "The total size of put kv pairs seen by this member.",
    ),
    "etcd_debugging_mvcc_watch_stream_total": Family(GAUGE, "Total number of watch streams."),
    "etcd_debugging_mvcc_watcher_total": Family(GAUGE, "Total number of watchers."),
    "etcd_debugging_server_alarms": Family(
        GAUGE,
        "Alarms for every member in cluster. 1 for 'server_id' label with current ID. 2 "
        "for 'alarm_type' label with type of this alarm",
    ),
    "etcd_debugging_server_lease_expired_total": Family(
        COUNTER,
        "The total number of expired leases.",
    ),
    "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds": Family(
        HISTOGRAM,
        "The total duration in seconds of running through the send loop control stream response.",
    ),
    "etcd_debugging_server_watch_send_loop_progress_duration_seconds": Family(
        HISTOGRAM,
        "The total duration in seconds of running through the progress loop control "
        "stream response.",
    ),
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds": Family(
        HISTOGRAM,
        "The average duration in seconds of running through the send loop watch stream "
        "response, per event.",
    ),
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds": Family(
        HISTOGRAM,
        "The total duration in seconds of running through the send loop watch stream "
        "response all events.",
    ),
    "etcd_debugging_snap_save_marshalling_duration_seconds": Family(
        HISTOGRAM,
        "The marshalling cost distributions of save called by snapshot.",
    ),
    "etcd_debugging_snap_save_total_duration_seconds": Family(
        HISTOGRAM,
        "The total latency distributions of save called by snapshot.",
    ),
    "etcd_debugging_store_expires_total": Family(COUNTER, "Total number of expired keys."),
    "etcd_debugging_store_watch_requests_total": Family(
        COUNTER,
        "Total number of incoming watch requests (new or reestablished).",
    ),
    "etcd_debugging_store_watchers": Family(GAUGE, "Count of currently active watchers."),
    "etcd_disk_backend_commit_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of commit called by backend.",
    ),
    "etcd_disk_backend_defrag_duration_seconds": Family(
        HISTOGRAM,
        "The latency distribution of backend defragmentation.",
    ),
    "etcd_disk_backend_snapshot_duration_seconds": Family(
        HISTOGRAM,
        "The latency distribution of backend snapshots.",
    ),
    "etcd_disk_defrag_inflight": Family(
        GAUGE,
        "Whether or not defrag is active on the member. 1 means active, 0 means not.",
    ),
    "etcd_disk_wal_fsync_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of fsync called by WAL.",
    ),
    "etcd_disk_wal_write_bytes_total": Family(GAUGE, "Total number of bytes written in WAL."),
    "etcd_disk_wal_write_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of write called by WAL.",
    ),
    "etcd_grpc_proxy_cache_hits_total": Family(GAUGE, "Total number of cache hits"),
    "etcd_grpc_proxy_cache_keys_total": Family(GAUGE, "Total number of keys/ranges cached"),
    "etcd_grpc_proxy_cache_misses_total": Family(GAUGE, "Total number of cache misses"),
    "etcd_grpc_proxy_events_coalescing_total": Family(COUNTER, "Total number of events coalescing"),
    "etcd_grpc_proxy_watchers_coalescing_total": Family(
        GAUGE,
        "Total number of current watchers coalescing",
    ),
    "etcd_mvcc_db_open_read_transactions": Family(
        GAUGE,
        "The number of currently open read transactions",
    ),
    "etcd_mvcc_db_total_size_in_bytes": Family(
        GAUGE,
        "Total size of the underlying database physically allocated in bytes.",
    ),
    "etcd_mvcc_db_total_size_in_use_in_bytes": Family(
        GAUGE,
        "Total size of the underlying database logically in use in bytes.",
    ),
    "etcd_mvcc_delete_total": Family(COUNTER, "Total number of deletes seen by this member."),
    "etcd_mvcc_hash_duration_seconds": Family(
        HISTOGRAM,
        "The latency distribution of storage hash operation.",
    ),
    "etcd_mvcc_hash_rev_duration_seconds": Family(
        HISTOGRAM,
        "The latency distribution of storage hash by revision operation.",
    ),
    "etcd_mvcc_put_total": Family(COUNTER, "Total number of puts seen by this member."),
    "etcd_mvcc_range_total": Family(COUNTER, "Total number of ranges seen by this member."),
    "etcd_mvcc_txn_total": Family(COUNTER, "Total number of txns seen by this member."),
    "etcd_network_client_grpc_received_bytes_total": Family(
        COUNTER,
        "The total number of bytes received from grpc clients.",
    ),
    "etcd_network_client_grpc_sent_bytes_total": Family(
        COUNTER,
        "The total number of bytes sent to grpc clients.",
    ),
    "etcd_network_known_peers": Family(GAUGE, "The current number of known peers."),
    "etcd_server_apply_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of v2 apply called by backend.",
    ),
    "etcd_server_client_requests_total": Family(
        COUNTER,
        "The total number of client requests per client version.",
    ),
    "etcd_server_feature_enabled": Family(
        GAUGE,
        "Whether or not a feature is enabled. 1 is enabled, 0 is not.",
    ),
    "etcd_server_go_version": Family(
        GAUGE,
        "Which Go version server is running with. 1 for 'server_go_version' label with "
        "current version.",
    ),
    "etcd_server_has_leader": Family(
        GAUGE,
        "Whether or not a leader exists. 1 is existence, 0 is not.",
    ),
    "etcd_server_health_failures": Family(COUNTER, "The total number of failed health checks"),
    "etcd_server_health_success": Family(COUNTER, "The total number of successful health checks"),
    "etcd_server_healthcheck": Family(GAUGE, "The result of each kind of healthcheck."),
    "etcd_server_healthchecks_total": Family(
        COUNTER,
        "The total number of each kind of healthcheck.",
    ),
    "etcd_server_heartbeat_send_failures_total": Family(
        COUNTER,
        "The total number of leader heartbeat send failures (likely overloaded from slow disk).",
    ),
    "etcd_server_id": Family(
        GAUGE,
        "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    ),
    "etcd_server_is_leader": Family(
        GAUGE,
        "Whether or not this member is a leader. 1 if is, 0 otherwise.",
    ),
    "etcd_server_is_learner": Family(
        GAUGE,
        "Whether or not this member is a learner. 1 if is, 0 otherwise.",
    ),
    "etcd_server_leader_changes_seen_total": Family(COUNTER, "The number of leader changes seen."),
    "etcd_server_learner_promote_successes": Family(
        COUNTER,
        "The total number of successful learner promotions while this member is leader.",
    ),
    "etcd_server_proposals_applied_total": Family(
        GAUGE,
        "The total number of consensus proposals applied.",
    ),
    "etcd_server_proposals_committed_total": Family(
        GAUGE,
        "The total number of consensus proposals committed.",
    ),
    "etcd_server_proposals_failed_total": Family(
        COUNTER,
        "The total number of failed proposals seen.",
    ),
    "etcd_server_proposals_pending": Family(
        GAUGE,
        "The current number of pending proposals to commit.",
    ),
    "etcd_server_quota_backend_bytes": Family(
        GAUGE,
        "Current backend storage quota size in bytes.",
    ),
    "etcd_server_range_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of txn.Range",
    ),
    "etcd_server_read_indexes_failed_total": Family(
        COUNTER,
        "The total number of failed read indexes seen.",
    ),
    "etcd_server_request_duration_seconds": Family(
        HISTOGRAM,
        "Response latency distribution in seconds for each type.",
    ),
    "etcd_server_slow_apply_total": Family(
        COUNTER,
        "The total number of slow apply requests (likely overloaded from slow disk).",
    ),
    "etcd_server_slow_read_indexes_total": Family(
        COUNTER,
        "The total number of pending read indexes not in sync with leader's or timed out "
        "read index requests.",
    ),
    "etcd_server_snapshot_apply_in_progress_total": Family(
        GAUGE,
        "1 if the server is applying the incoming snapshot. 0 if none.",
    ),
    "etcd_server_version": Family(
        GAUGE,
        "Which version is running. 1 for 'server_version' label with current version.",
    ),
    "etcd_snap_db_fsync_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of fsyncing .snap.db file",
    ),
    "etcd_snap_db_save_total_duration_seconds": Family(
        HISTOGRAM,
        "The total latency distributions of v3 snapshot save",
    ),
    "etcd_snap_fsync_duration_seconds": Family(
        HISTOGRAM,
        "The latency distributions of fsync called by snap.",
    ),
    # Not etcd's, which has no such budget.
    "etcdpy_memory_budget_bytes": Family(
        GAUGE,
        "What all clients together can have the server hold, 0 for no limit.",
    ),
    "etcdpy_memory_budget_refusals_total": Family(
        COUNTER,
        "The total number of requests refused because the memory budget was used up.",
    ),
    "etcdpy_memory_budget_used_bytes": Family(
        GAUGE,
        "What clients have the server hold, of requests that wait and replies not taken.",
    ),
    "etcdpy_memory_budget_waiting": Family(
        GAUGE,
        "The number of clients and reads that wait for room in the memory budget.",
    ),
    "etcdpy_memory_budget_waits_total": Family(
        COUNTER,
        "The total number of times a client has had to wait for room in the memory budget.",
    ),
    "grpc_server_handled_total": Family(
        COUNTER,
        "Total number of RPCs completed on the server, regardless of success or failure.",
    ),
    "grpc_server_handling_seconds": Family(
        HISTOGRAM,
        "Histogram of response latency (seconds) of gRPC that had been application-level "
        "handled by the server.",
    ),
    "grpc_server_msg_received_total": Family(
        COUNTER,
        "Total number of RPC stream messages received on the server.",
    ),
    "grpc_server_msg_sent_total": Family(
        COUNTER,
        "Total number of gRPC stream messages sent by the server.",
    ),
    "grpc_server_started_total": Family(COUNTER, "Total number of RPCs started on the server."),
}

#: Figures of what a single node has not: peers, proxies, the old store of version 2.
ALWAYS_ZERO: Final = (
    "etcd_debugging_store_expires_total",
    "etcd_debugging_store_watch_requests_total",
    "etcd_debugging_store_watchers",
    "etcd_grpc_proxy_cache_hits_total",
    "etcd_grpc_proxy_cache_keys_total",
    "etcd_grpc_proxy_cache_misses_total",
    "etcd_grpc_proxy_events_coalescing_total",
    "etcd_grpc_proxy_watchers_coalescing_total",
    "etcd_server_heartbeat_send_failures_total",
    "etcd_server_is_learner",
    "etcd_server_learner_promote_successes",
    "etcd_server_proposals_failed_total",
    "etcd_server_read_indexes_failed_total",
    "etcd_server_slow_read_indexes_total",
    "etcd_server_snapshot_apply_in_progress_total",
)

_FINE: Final = doubling(0.001, 14)

#: Histograms of steps that are none of their own here, by their bounds.
EMPTY_HISTOGRAMS: Final[Mapping[str, tuple[float, ...]]] = {
    "etcd_debugging_disk_backend_commit_rebalance_duration_seconds": _FINE,
    "etcd_debugging_disk_backend_commit_spill_duration_seconds": _FINE,
    "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds": _FINE,
    "etcd_debugging_server_watch_send_loop_progress_duration_seconds": _FINE,
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds": _FINE,
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds": _FINE,
    "etcd_debugging_snap_save_marshalling_duration_seconds": _FINE,
    "etcd_debugging_snap_save_total_duration_seconds": _FINE,
    "etcd_snap_db_fsync_duration_seconds": _FINE,
    "etcd_snap_fsync_duration_seconds": _FINE,
    "etcd_snap_db_save_total_duration_seconds": doubling(0.1, 10),
}
