"""
The line of the log that says what a server runs with.

Its fields are etcd's, in etcd's order and forms, whether a setting has an effect here or not;
behind them stand the settings that etcd's line leaves out. (etcd: ``embed.print``)
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Callable, Mapping

from etcdpy.config import SETTINGS, Config, Url, UrlError, cluster_text, value_of
from etcdpy.config.gates import Gates
from etcdpy.config.retention import parse_retention
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.platforms import go_arch, go_os, usable_cpus
from etcdpy.node.quota import DEFAULT_QUOTA
from etcdpy.version import ETCD_VERSION, GIT_SHA, GO_VERSION, __version__

__all__ = ["log_settings"]

logger = logging.getLogger(__name__)

_Fields = dict[str, object]


def log_settings(config: Config, initialized: bool) -> None:
    """
    Log every setting in one line, so that a log says what its server ran with.

    Raises:
        InvalidConfigError: The initial cluster of a new member, or the retention of automatic
            compaction, cannot be read.

    """
    # Read in etcd's order: of two mistakes it tells this one first.
    founding = {} if initialized else {"initial-cluster": cluster_text(config)}
    machine: _Fields = {
        "etcd-version": ETCD_VERSION,
        "git-sha": GIT_SHA,
        "go-version": GO_VERSION,
        "go-os": go_os(),
        "go-arch": go_arch(),
        "max-cpu-set": usable_cpus(),
        "max-cpu-available": usable_cpus(),
        "member-initialized": initialized,
    }
    settings = {name: show(config) for name, show in _SHOWN.items()}
    if initialized:  # they are not looked at any more
        founding = {"initial-cluster": "", "initial-cluster-token": ""}
    own = {
        "etcdpy-version": __version__,
        "python-version": ".".join(map(str, sys.version_info[:3])),
        **{name: _plain(name)(config) for name in _OWN},
    }
    logger.info("starting an etcd server", machine | settings | founding | own)
    # (etcd: ``v3rpc.NewWatchServer``)
    if 0 < config.watch_progress_notify_interval < config.progress_interval:
        raised = {"min-watch-progress-notify-interval": go_duration(config.progress_interval)}
        logger.warning("adjusting watch progress notify interval to minimum period", raised)


_Show = Callable[[Config], object]


def _plain(flag: str) -> _Show:
    """Return what shows a flag as it was set."""

    def show(config: Config) -> object:
        value = value_of(config, flag)
        if isinstance(value, float):
            return go_duration(value)
        if isinstance(value, Gates):
            return str(value)
        return [str(item) for item in value] if isinstance(value, tuple) else value

    return show


def _retention(config: Config) -> str:
    nanoseconds = parse_retention(config.auto_compaction_mode, config.auto_compaction_retention)
    return go_duration(nanoseconds / 1e9)


def _local_address(config: Config) -> str:
    """The address that peers would be called from. (etcd: ``embed.Config.InferLocalAddr``)"""
    if "SetMemberLocalAddr" not in config.feature_gates:
        return ""
    return next(filter(None, map(_outward, config.initial_advertise_peer_urls)), "")


def _outward(url: Url) -> str:
    """Return the IP of a URL if other machines could know it."""
    try:
        address = ipaddress.ip_address(url.host_port[0])
    except (UrlError, ValueError):
        return ""
    return "" if address.is_loopback or address.is_unspecified else str(address)


#: The fields of etcd's line that are settings, in its order.
_SHOWN: Mapping[str, _Show] = {
    "name": _plain("name"),
    "data-dir": _plain("data-dir"),
    "wal-dir": _plain("wal-dir"),
    "wal-dir-dedicated": _plain("wal-dir"),
    "member-dir": lambda config: f"{config.data_dir.rstrip('/')}/member",
    "force-new-cluster": _plain("force-new-cluster"),
    "heartbeat-interval": lambda config: go_duration(config.heartbeat_interval / 1000),
    "election-timeout": lambda config: go_duration(config.election_seconds),
    "initial-election-tick-advance": _plain("initial-election-tick-advance"),
    "snapshot-count": _plain("snapshot-count"),
    "max-wals": _plain("max-wals"),
    "max-snapshots": _plain("max-snapshots"),
    "snapshot-catchup-entries": _plain("snapshot-catchup-entries"),
    "initial-advertise-peer-urls": _plain("initial-advertise-peer-urls"),
    "listen-peer-urls": _plain("listen-peer-urls"),
    "advertise-client-urls": _plain("advertise-client-urls"),
    "listen-client-urls": _plain("listen-client-urls"),
    "listen-metrics-urls": _plain("listen-metrics-urls"),
    "local-address": _local_address,
    "cors": lambda config: sorted(config.allowed_origins),
    "host-whitelist": lambda config: sorted(config.allowed_hosts),
    "initial-cluster": _plain("initial-cluster"),
    "initial-cluster-state": _plain("initial-cluster-state"),
    "initial-cluster-token": _plain("initial-cluster-token"),
    "quota-backend-bytes": lambda config: config.quota_backend_bytes or DEFAULT_QUOTA,
    "max-request-bytes": _plain("max-request-bytes"),
    "max-concurrent-streams": _plain("max-concurrent-streams"),
    "pre-vote": _plain("pre-vote"),
    "feature-gates": _plain("feature-gates"),
    # Of a flag that is gone; the gate InitialCorruptCheck does not change it.
    "initial-corrupt-check": lambda config: False,
    "corrupt-check-time-interval": _plain("corrupt-check-time"),
    "compact-check-time-interval": _plain("compact-hash-check-time"),
    "auto-compaction-mode": _plain("auto-compaction-mode"),
    "auto-compaction-retention": _retention,
    "auto-compaction-interval": _retention,
    "discovery-token": _plain("discovery-token"),
    "discovery-endpoints": _plain("discovery-endpoints"),
    "discovery-dial-timeout": _plain("discovery-dial-timeout"),
    "discovery-request-timeout": _plain("discovery-request-timeout"),
    "discovery-keepalive-time": _plain("discovery-keepalive-time"),
    "discovery-keepalive-timeout": _plain("discovery-keepalive-timeout"),
    "discovery-insecure-transport": _plain("discovery-insecure-transport"),
    "discovery-insecure-skip-tls-verify": _plain("discovery-insecure-skip-tls-verify"),
    "discovery-cert": _plain("discovery-cert"),
    "discovery-key": _plain("discovery-key"),
    "discovery-cacert": _plain("discovery-cacert"),
    "discovery-user": _plain("discovery-user"),
    "downgrade-check-interval": _plain("downgrade-check-time"),
    "max-learners": _plain("max-learners"),
    "v2-deprecation": _plain("v2-deprecation"),
}

#: The settings with an effect here that etcd's line leaves out.
_OWN = [name for name, row in SETTINGS.items() if row.honoured and name not in _SHOWN]
