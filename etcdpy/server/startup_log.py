"""
What a server says of itself as it starts and stops, in etcd's lines and in their order.

Only what is true of one node: there is no raft to tell of, and nobody is served but clients.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from etcdpy.config import Config, Url
from etcdpy.gostd.sizes import human_size
from etcdpy.node.node import Node
from etcdpy.node.quota import DEFAULT_QUOTA
from etcdpy.server.tls_info import TlsInfo
from etcdpy.version import ETCD_VERSION

__all__ = [
    "Address",
    "identity",
    "log_member",
    "log_pprof",
    "log_serving",
    "texts",
]

logger = logging.getLogger(__name__)

_Fields = dict[str, object]


class Address(NamedTuple):
    """
    Where clients are served.

    Attributes:
        text: Such as ``127.0.0.1:2379``, or a path.
        is_secure: Whether over TLS.
        traffic: ``grpc+http``, or one of them.
        is_unix: Whether it is a path.

    """

    text: str
    is_secure: bool
    traffic: str = "grpc+http"
    is_unix: bool = False


#: Beyond it etcd warns, and serves. (etcd: ``MaxQuotaBytes``)
_LARGEST_QUOTA = 8 * 1024 * 1024 * 1024


def log_pprof(config: Config) -> None:
    """Log that profiles are served, if they are wanted. (etcd: ``configureClientListeners``)"""
    if config.enable_pprof:
        logger.info("pprof is enabled", {"path": "/debug/pprof"})


def log_member(config: Config, node: Node, initialized: bool) -> None:
    """Log what was found in the data directory, or made there, and who that makes this server."""
    member, cluster = (f"{one:x}" for one in (node.identity.member_id, node.identity.cluster_id))
    both = {"cluster-id": cluster, "local-member-id": member}
    server = {"local-member-id": member, "local-server-version": ETCD_VERSION}
    revision = {"current-rev": node.parts.store.revision}
    if initialized:
        version = {"cluster-version": _cluster_version(node)}
        logger.info("recovered v3 backend", _backend_sizes(node))
        commit = {"commit-index": node.parts.store.applied_index}
        logger.info("restarting local member", both | commit)
        peer = _peer(node, "recovered-remote-peer")
        logger.info("recovered/added member from store", both | peer)
        logger.info("set cluster version from store", version)
        logger.info("kvstore restored", revision)
        _log_quota(config.quota_backend_bytes)
        logger.info("starting etcd server", server | {"cluster-id": cluster} | version)
    else:
        logger.info("starting local member", {"local-member-id": member, "cluster-id": cluster})
        logger.info("kvstore restored", revision)
        _log_quota(config.quota_backend_bytes)
        # A new member of etcd's hears of both from raft, as it is served.
        logger.info("starting etcd server", server | {"cluster-version": "to_be_decided"})
        logger.info("added member", both | _peer(node, "added-peer", urls="peer-urls"))


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


def log_serving(
    config: Config,
    node: Node,
    addresses: Sequence[Address],
    tls: TlsInfo,
    initialized: bool,
) -> None:
    """
    Log that clients are served.

    Args:
        config: The settings.
        node: What is served.
        addresses: Where.
        tls: What connections are secured by.
        initialized: Whether the member was there before.

    """
    if not tls.is_empty:
        secured: _Fields = {"tls-info": str(tls), "cipher-suites": list(tls.suites)}
        logger.info("starting with client TLS", secured)
    member = {"local-member-id": f"{node.identity.member_id:x}"}
    fields: _Fields = {
        **member,
        "initial-advertise-peer-urls": texts(config.initial_advertise_peer_urls),
        # None, whatever the settings: it is about what is served.
        "listen-peer-urls": [],
        "advertise-client-urls": texts(config.advertise_client_urls),
        "listen-client-urls": texts(config.listen_client_urls),
        "listen-metrics-urls": texts(config.listen_metrics_urls),
    }
    logger.info("now serving peer/client/metrics", fields)
    for url in config.listen_metrics_urls:
        logger.info("serving metrics", {"address": str(url)})
    if not initialized:
        cluster = {"cluster-id": f"{node.identity.cluster_id:x}"}
        version = {"cluster-version": _cluster_version(node)}
        logger.info("set initial cluster version", cluster | member | version)
    logger.info("ready to serve client requests")
    logger.info("grpc service status changed", {"service": "", "status": "SERVING"})
    for address in addresses:
        served = {"traffic": address.traffic, "address": address.text}
        if address.is_secure:
            logger.info("serving client traffic securely", served)
        else:
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


def _cluster_version(node: Node) -> str:
    # Cluster versions have no patch.
    return node.parts.versions.cluster.rpartition(".")[0]
