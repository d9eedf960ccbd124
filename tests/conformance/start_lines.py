"""The lines a server logs as it starts, and where those of two servers may differ: one table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.servers import Server

Line = Mapping[str, Any]

SETTINGS = "starting an etcd server"
MEMBER = "starting etcd server"
ADDED = "added member"
NOW_SERVING = "now serving peer/client/metrics"
SERVING = "serving client traffic insecurely; this is strongly discouraged!"

# What every server says of a start, in this order. The other lines below come when raft, or what
# stands for it, gets to them.
STEPS = (
    "Running: ",
    "Initialize and start etcd server",
    "server has already been initialized",
    "configuring peer listeners",
    "configuring client listeners",
    SETTINGS,
    "opened backend db",
    "recovered v3 backend",
    "starting local member",
    "restarting local member",
    "recovered/added member from store",
    "set cluster version from store",
    "kvstore restored",
    "enabled backend quota",
    "enabled backend quota with default value",
    MEMBER,
    NOW_SERVING,
    "ready to serve client requests",
    "grpc service status changed",
    SERVING,
)
OTHERS = (ADDED, "set initial cluster version")

# Where a line was written and when; of a line in the form of JSON alone.
_FRAME = ("ts", "caller", "logger")

# Fields whose values are each server's own.
OWN_VALUES = {
    "Running: ": {"args"},
    "Initialize and start etcd server": {"data-dir"},
    "server has already been initialized": {"data-dir"},
    SETTINGS: {"etcd-version", "git-sha", "go-version", "data-dir", "member-dir"},
    "opened backend db": {"path", "took"},
    # They have other files and another log.
    "recovered v3 backend": {
        "backend-size-bytes",
        "backend-size",
        "backend-size-in-use-bytes",
        "backend-size-in-use",
    },
    "restarting local member": {"commit-index"},
    MEMBER: {"local-server-version"},
    # There are no peers, so none are said to be served.
    NOW_SERVING: {"listen-peer-urls"},
    SERVING: {"address"},
}

# -------------------- an older etcd

# The first versions that log a line, or a field of one; where it is not known, the later bound.
LINES_SINCE = {
    "Initialize and start etcd server": (3, 6),
    "server has already been initialized": (3, 6),
    "recovered v3 backend": (3, 6),
    "recovered/added member from store": (3, 6),
    "set cluster version from store": (3, 6),
    "grpc service status changed": (3, 6),
}
FIELDS_SINCE = {
    SETTINGS: {
        "max-wals": (3, 6),
        "max-snapshots": (3, 6),
        "local-address": (3, 6),
        "quota-backend-bytes": (3, 6),
        "max-request-bytes": (3, 6),
        "max-concurrent-streams": (3, 6),
        "feature-gates": (3, 6),
        "compact-check-time-interval": (3, 6),
        "discovery-token": (3, 6),
        "discovery-endpoints": (3, 6),
        "discovery-dial-timeout": (3, 6),
        "discovery-request-timeout": (3, 6),
        "discovery-keepalive-time": (3, 6),
        "discovery-keepalive-timeout": (3, 6),
        "discovery-insecure-transport": (3, 6),
        "discovery-insecure-skip-tls-verify": (3, 6),
        "discovery-cert": (3, 6),
        "discovery-key": (3, 6),
        "discovery-cacert": (3, 6),
        "discovery-user": (3, 6),
        "max-learners": (3, 6),
        "v2-deprecation": (3, 6),
    },
    ADDED: {"added-peer-is-learner": (3, 6)},
    # Without a log of raft's that begins with a snapshot it did not know its cluster yet.
    MEMBER: {"cluster-id": (3, 6)},
    SERVING: {"traffic": (3, 6)},
}
# Fields that are gone since.
FIELDS_UNTIL = {
    SETTINGS: {
        "quota-size-bytes": (3, 6),
        "discovery-url": (3, 6),
        "discovery-proxy": (3, 6),
    }
}
# Values that are another server's own before a version.
VALUES_SINCE = {
    SETTINGS: {"snapshot-count": (3, 6)},
    MEMBER: {"cluster-version": (3, 6)},
    "set initial cluster version": {"cluster-version": (3, 7)},
}

# The first version whose second start does not go through its first once more.
KNOWS_ITSELF = (3, 6)

Version = tuple[int, ...]


def lines_of(server: Server) -> list[Line]:
    """Return what a server that has ended logged as it started."""
    found: list[Line] = []
    for text in server.log:
        try:
            line = json.loads(text)
        except ValueError:
            continue  # a real etcd prints a little before it has a log
        if line["msg"] in (*STEPS, *OTHERS):
            found.append({key: value for key, value in line.items() if key not in _FRAME})
    return found


def version_in(lines: Sequence[Line]) -> Version:
    """Return the version that a server tells in its line about its settings."""
    (settings,) = [line for line in lines if line["msg"] == SETTINGS]
    return tuple(int(part) for part in settings["etcd-version"].partition("-")[0].split("."))


def steps(lines: Sequence[Line], version: Version) -> list[str]:
    """Return the messages that come in order, as far as an etcd of that version has them."""
    return [
        line["msg"]
        for line in lines
        if line["msg"] in STEPS and version >= LINES_SINCE.get(line["msg"], ())
    ]


def is_repeated(line: Line, lines: Sequence[Line], version: Version) -> bool:
    """Tell whether a line among others is of a start that a server has had before."""
    (settings,) = [line for line in lines if line["msg"] == SETTINGS]
    return settings["member-initialized"] and version < KNOWS_ITSELF and line["msg"] in OTHERS


def comparable(line: Line, version: Version) -> dict[str, Any]:
    """Return a line's fields, in order, with the type of a value for one that may differ."""
    message = line["msg"]
    since, until = FIELDS_SINCE.get(message, {}), FIELDS_UNTIL.get(message, {})
    own = OWN_VALUES.get(message, set()) | {
        field for field, bound in VALUES_SINCE.get(message, {}).items() if version < bound
    }
    return {
        field: type(value) if field in own else value
        for field, value in line.items()
        if version >= since.get(field, ()) and field not in until
    }
