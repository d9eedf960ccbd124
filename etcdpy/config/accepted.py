"""
The flags of etcd that are taken, read and without effect here.

They keep command lines, units and files of a real etcd working. Each one that is given is noted
when the server starts; ``check_accepted`` refuses the few whose effect nobody could do without.

"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from etcdpy.config.errors import InvalidConfigError
from etcdpy.config.setting import (
    CLUSTERING,
    MEMBER,
    MONITORING,
    SECURITY,
    UNSAFE,
    Setting,
    make_setting,
)
from etcdpy.config.values import (
    Bool,
    Choice,
    Duration,
    Int,
    Kind,
    Text,
    Uint,
)
from etcdpy.gostd.durations import go_duration

__all__ = ["ACCEPTED", "IGNORED_FLAGS", "check_accepted"]

#: Flags of etcd 2 that etcd still takes, with any value, and never mentions.
IGNORED_FLAGS = (
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-heartbeat-interval",
    "peer-election-timeout",
    "retry-interval",
    "snapshot",
    "v",
    "vv",
    "test.coverprofile",
    "test.outputdir",
)

_Rows = Mapping[str, tuple[Kind, str, str]]

_MEMBER_ROWS: _Rows = {
    "wal-dir": (Text(), "", "Path to the dedicated wal directory."),
    "snapshot-count": (Uint("uint64"), "10000", "Number of transactions between snapshots."),
    "initial-election-tick-advance": (Bool(), "true", "Whether to elect fast on boot."),
    "max-snapshots": (Uint(), "5", "Maximum number of snapshot files to retain."),
    "max-wals": (Uint(), "5", "Maximum number of wal files to retain."),
    "memory-mlock": (Bool(), "false", "Enable to enforce etcd pages to stay in RAM."),
    "backend-bbolt-freelist-type": (Text(), "map", "The freelist type of etcd's backend."),
    "backend-batch-interval": (
        Duration(),
        "0s",
        "The maximum time before committing a transaction. Here writes are committed as fast "
        "as the disk takes them.",
    ),
    "backend-batch-limit": (Int(), "0", "The maximum operations before a commit."),
    "socket-reuse-address": (
        Bool(),
        "false",
        "Enable to set SO_REUSEADDR on listeners, which is always set here.",
    ),
    "raft-read-timeout": (Duration(), "5s", "Read timeout on each raft connection."),
    "raft-write-timeout": (Duration(), "5s", "Write timeout on each raft connection."),
    "corrupt-check-time": (Duration(), "0s", "Time between checks of the members' data."),
    "compact-hash-check-time": (Duration(), "1m", "Time between checks of the members' hashes."),
    "downgrade-check-time": (Duration(), "5s", "Time between checks for a downgrade."),
    "snapshot-catchup-entries": (Uint("uint64"), "5000", "Entries kept for slow followers."),
}

_CLUSTERING_ROWS: _Rows = {
    "discovery-token": (Text(), "", "Discovery token."),
    "discovery-endpoints": (Text(), "", "Discovery endpoints."),
    "discovery-srv": (Text(), "", "DNS domain of a discovery."),
    "discovery-srv-name": (Text(), "", "Suffix of the service queried when discovering."),
    "discovery-dial-timeout": (Duration(), "2s", "Dial timeout of a discovery."),
    "discovery-request-timeout": (Duration(), "5s", "Request timeout of a discovery."),
    "discovery-keepalive-time": (Duration(), "2s", "Keepalive time of a discovery."),
    "discovery-keepalive-timeout": (Duration(), "6s", "Keepalive timeout of a discovery."),
    "discovery-insecure-transport": (Bool(), "true", "Disable transport security."),
    "discovery-insecure-skip-tls-verify": (Bool(), "false", "Skip server verification."),
    "discovery-cert": (Text(), "", "Client certificate of a discovery."),
    "discovery-key": (Text(), "", "Client key of a discovery."),
    "discovery-cacert": (Text(), "", "CA bundle of a discovery."),
    "discovery-user": (Text(), "", "User name of a discovery."),
    "discovery-password": (Text(), "", "Password of a discovery."),
    "discovery-fallback": (
        Choice("exit", "proxy"),
        "exit",
        "What to do when a discovery fails. 'proxy' is refused, as in etcd.",
    ),
    "strict-reconfig-check": (Bool(), "true", "Reject changes that would cause quorum loss."),
    "pre-vote": (Bool(), "true", "Enable the raft Pre-Vote algorithm."),
    "v2-deprecation": (
        Choice(
            "write-only", "write-only-skip-check", "write-only-drop-data", "gone", is_quoted=True
        ),
        "write-only",
        "Phase of the v2 store's deprecation. Here --enable-v2 alone decides about v2.",
    ),
}

_SECURITY_ROWS: _Rows = {
    "client-cert-file": (Text(), "", "Path to an explicit client TLS cert file."),
    "client-key-file": (Text(), "", "Path to an explicit client TLS key file."),
    "peer-cert-file": (Text(), "", "Path to the peer server TLS cert file."),
    "peer-key-file": (Text(), "", "Path to the peer server TLS key file."),
    "peer-client-cert-auth": (Bool(), "false", "Enable peer client cert authentication."),
    "peer-client-cert-file": (Text(), "", "Path to an explicit peer client TLS cert file."),
    "peer-client-key-file": (Text(), "", "Path to an explicit peer client TLS key file."),
    "peer-trusted-ca-file": (Text(), "", "Path to the peer server TLS trusted CA file."),
    "peer-cert-allowed-cn": (Text(), "", "Required CN for peers' client certificates."),
    "peer-cert-allowed-hostname": (Text(), "", "Allowed TLS names for peers' authentication."),
    "peer-skip-client-san-verification": (
        Bool(),
        "false",
        "Skip verification of the SAN field in peers' client certificates.",
    ),
    "peer-auto-tls": (Bool(), "false", "Peer TLS using generated certificates."),
    "peer-crl-file": (Text(), "", "Path to the peer certificate revocation list file."),
}

_MONITORING_ROWS: _Rows = {
    "enable-distributed-tracing": (Bool(), "false", "Distributed tracing."),
    "distributed-tracing-address": (Text(), "localhost:4317", "Where traces are sent."),
    "distributed-tracing-service-name": (Text(), "etcd", "Name of this service in traces."),
    "distributed-tracing-instance-id": (Text(), "", "Name of this instance in traces."),
    "distributed-tracing-sampling-rate": (Int(), "0", "Samples to collect, per million."),
}

_UNSAFE_ROWS: _Rows = {
    "force-new-cluster": (
        Bool(),
        "false",
        "Force to create a new one-member cluster, which a single node always is.",
    ),
}

_SECTIONS = (
    (MEMBER, _MEMBER_ROWS),
    (CLUSTERING, _CLUSTERING_ROWS),
    (SECURITY, _SECURITY_ROWS),
    (MONITORING, _MONITORING_ROWS),
    (UNSAFE, _UNSAFE_ROWS),
)

#: Flags that are refused if given: whoever gives them cannot do without their effect.
_REFUSED = {
    "discovery-token",
    "discovery-endpoints",
    "discovery-srv",
    "enable-distributed-tracing",
}

#: Flag name to its row. None of these is a field of ``Config``.
ACCEPTED: Mapping[str, Setting] = MappingProxyType(
    {
        name: make_setting(section, *row, honoured=False, refused=name in _REFUSED)
        for section, rows in _SECTIONS
        for name, row in rows.items()
    }
)


def check_accepted(values: Mapping[str, Any], given: Collection[str]) -> None:
    """
    Refuse what would change what the server is: others to join, traces to send.

    Args:
        values: Those of ``ACCEPTED`` that were given.
        given: Every flag that was given.

    Raises:
        InvalidConfigError: In etcd's words where etcd refuses it as well.

    """
    if values.get("discovery-fallback") == "proxy":
        raise InvalidConfigError(
            'v2 proxy is deprecated, and --discovery-fallback can\'t be configured as "proxy"'
        )
    _check_discovery(values, given)
    if (seconds := values.get("compact-hash-check-time", 1)) <= 0:
        shown = go_duration(seconds)
        raise InvalidConfigError(f"--compact-hash-check-time must be >0 (set to {shown})")
    if values.get("enable-distributed-tracing"):
        raise InvalidConfigError("--enable-distributed-tracing is not supported")


def _check_discovery(values: Mapping[str, Any], given: Collection[str]) -> None:
    # To etcd an empty text is a list of one endpoint, so what counts is that the flag was given.
    ways = ["discovery-endpoints"] if "discovery-endpoints" in given else []
    ways += ["discovery-srv"] if values.get("discovery-srv") else []
    if len(ways) + ("initial-cluster" in given) > 1:
        raise InvalidConfigError(
            "multiple discovery or bootstrap flags are set. Choose one of "
            '"initial-cluster", "discovery-endpoints" or "discovery-srv"'
        )
    if bool(values.get("discovery-token")) != ("discovery-endpoints" in given):
        raise InvalidConfigError("both --discovery-token and --discovery-endpoints must be set")
    if ways:
        raise InvalidConfigError(
            f"--{ways[0]} is not supported: this server is a single node and joins no others"
        )
