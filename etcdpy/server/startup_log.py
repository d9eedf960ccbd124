"""
What a server says of itself as it starts and stops, in etcd's lines and in their order.

Only what is true of one node: there is no raft to tell of, nothing listens for peers, and what a
setting is without effect on is not said of it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from etcdpy.config import SETTINGS, Config, Url
from etcdpy.config.gates import Gates
from etcdpy.config.retention import parse_retention
from etcdpy.config.values import Duration
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.sizes import human_size
from etcdpy.node.node import Node
from etcdpy.node.quota import DEFAULT_QUOTA
from etcdpy.version import ETCD_VERSION, __version__

__all__ = [
    "identity",
    "log_member",
    "log_serving",
    "log_settings",
    "texts",
]

logger = logging.getLogger(__name__)

_Fields = dict[str, object]

#: Beyond it etcd warns, and serves. (etcd: ``MaxQuotaBytes``)
_LARGEST_QUOTA = 8 * 1024 * 1024 * 1024

#: The settings of etcd's line that are settings here, in its order.
_FIRST = (
    "name",
    "data-dir",
    "member-dir",
    "heartbeat-interval",
    "election-timeout",
    "initial-advertise-peer-urls",
    "advertise-client-urls",
    "listen-client-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "quota-backend-bytes",
    "max-request-bytes",
    "max-concurrent-streams",
    "feature-gates",
    "auto-compaction-mode",
    "auto-compaction-retention",
    "auto-compaction-interval",
)


def log_settings(config: Config, initialized: bool) -> None:
    """
    Log every setting in one line, so that a log says what its server ran with.

    Raises:
        InvalidConfigError: If the retention of automatic compaction cannot be read.

    """
    settings = _settings(config, initialized)
    fields: _Fields = {
        "etcd-version": ETCD_VERSION,
        "etcdpy-version": __version__,
        "python-version": ".".join(map(str, sys.version_info[:3])),
        "member-initialized": initialized,
        **{name: settings.pop(name) for name in _FIRST},
        **settings,
    }
    logger.info("starting an etcd server", fields)
    # (etcd: ``v3rpc.NewWatchServer``)
    if 0 < config.watch_progress_notify_interval < config.progress_interval:
        raised = {"min-watch-progress-notify-interval": go_duration(config.progress_interval)}
        logger.warning("adjusting watch progress notify interval to minimum period", raised)


def _settings(config: Config, initialized: bool) -> _Fields:
    """Return the settings under their names, as etcd shows them."""
    found = {
        name: _shown(getattr(config, name.replace("-", "_")), isinstance(row.kind, Duration))
        for name, row in SETTINGS.items()
        if row.honoured
    }
    mode, retention = config.auto_compaction_mode, config.auto_compaction_retention
    compaction = go_duration(parse_retention(mode, retention) / 1e9)
    found |= {
        "member-dir": _member_dir(config),
        "heartbeat-interval": go_duration(config.heartbeat_interval / 1000),
        "election-timeout": go_duration(config.election_timeout / 1000),
        "quota-backend-bytes": config.quota_backend_bytes or DEFAULT_QUOTA,
        "auto-compaction-retention": compaction,
        "auto-compaction-interval": compaction,
    }
    if initialized:  # they are not looked at any more
        found |= {"initial-cluster": "", "initial-cluster-token": ""}
    return found


def _member_dir(config: Config) -> str:
    return f"{config.data_dir.rstrip('/')}/member"


def _shown(value: object, is_duration: bool) -> object:
    if is_duration:
        assert isinstance(value, float)
        return go_duration(value)
    if isinstance(value, Gates):
        return str(value)
    return [str(item) for item in value] if isinstance(value, tuple) else value


def log_member(config: Config, node: Node, initialized: bool) -> None:
    """Log what was found in the data directory, or made there, and who that makes this server."""
    member, cluster = (f"{one:x}" for one in (node.identity.member_id, node.identity.cluster_id))
    version = _minor(node.parts.versions.cluster)
    both = {"cluster-id": cluster, "local-member-id": member}
    if initialized:
        logger.info("recovered v3 backend", _backend_sizes(node))
        commit = {"commit-index": node.parts.store.applied_index}
        logger.info("restarting local member", both | commit)
        logger.info(
            "recovered/added member from store", both | _peer(node, "recovered-remote-peer")
        )
        logger.info("set cluster version from store", {"cluster-version": version})
    else:
        logger.info("starting local member", {"local-member-id": member, "cluster-id": cluster})
        logger.info("added member", both | _peer(node, "added-peer", urls="peer-urls"))
        logger.info("set initial cluster version", both | {"cluster-version": version})
    logger.info("kvstore restored", {"current-rev": node.parts.store.revision})
    _log_quota(config.quota_backend_bytes)
    fields = {
        "local-member-id": member,
        "local-server-version": ETCD_VERSION,
        "cluster-id": cluster,
        "cluster-version": version,
    }
    logger.info("starting etcd server", fields)


def _backend_sizes(node: Node) -> _Fields:
    size, in_use = node.parts.database.size(), node.parts.database.size_in_use()
    return {
        "backend-size-bytes": size,
        "backend-size": human_size(size),
        "backend-size-in-use-bytes": in_use,
        "backend-size-in-use": human_size(in_use),
    }


def _peer(node: Node, prefix: str, urls: str = "urls") -> _Fields:
    return {
        f"{prefix}-id": f"{node.identity.member_id:x}",
        f"{prefix}-{urls}": list(node.identity.peer_urls),
        f"{prefix}-is-learner": False,
    }


def _log_quota(size: int) -> None:
    """(etcd: ``storage.NewBackendQuota``)"""
    fields: _Fields = {"quota-name": "v3-applier", "quota-size-bytes": size or DEFAULT_QUOTA}
    if size < 0:
        logger.info("disabled backend quota", fields)
        return
    fields["quota-size"] = human_size(size or DEFAULT_QUOTA)
    if size > _LARGEST_QUOTA:
        largest = {
            "quota-maximum-size-bytes": _LARGEST_QUOTA,
            "quota-maximum-size": human_size(_LARGEST_QUOTA),
        }
        logger.warning("quota exceeds the maximum value", fields | largest)
    logger.info(
        "enabled backend quota" if size else "enabled backend quota with default value", fields
    )


def log_serving(config: Config, node: Node, addresses: Sequence[str]) -> None:
    """Log that clients are served, and at which addresses."""
    fields: _Fields = {
        "local-member-id": f"{node.identity.member_id:x}",
        "initial-advertise-peer-urls": texts(config.initial_advertise_peer_urls),
        "listen-peer-urls": [],
        "advertise-client-urls": texts(config.advertise_client_urls),
        "listen-client-urls": texts(config.listen_client_urls),
        "listen-metrics-urls": [],
    }
    logger.info("now serving peer/client/metrics", fields)
    logger.info("ready to serve client requests")
    for address in addresses:
        served = {"traffic": "grpc+http", "address": address}
        logger.info("serving client traffic insecurely; this is strongly discouraged!", served)


def identity(config: Config) -> _Fields:
    """Return what the lines about the end of a server have to tell it by."""
    return {
        "name": config.name,
        "data-dir": config.data_dir,
        "advertise-peer-urls": texts(config.initial_advertise_peer_urls),
        "advertise-client-urls": texts(config.advertise_client_urls),
    }


def texts(urls: Sequence[Url]) -> list[str]:
    """Return URLs as they are logged."""
    return [str(url) for url in urls]


def _minor(version: str) -> str:
    """Return a version without its patch: cluster versions have none."""
    return version.rpartition(".")[0]
