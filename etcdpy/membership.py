"""
Who this server is: the one member of its cluster.

Identity is decided when the data directory is made, from the peer URLs and the cluster
token, and kept in the ``members`` bucket; name and client URLs follow the configuration
at every start, and every start is a new raft term.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Protocol

from etcdpy.cluster_ids import cluster_id, member_id
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.version import STORAGE_VERSION

TERM = b"term"
STORAGE_VERSION_KEY = b"storageVersion"
CONF_STATE = b"confState"
CLUSTER_VERSION = b"clusterVersion"

#: The raft term after the first start: etcd's first election makes it 2.
FIRST_TERM = 2

_U64 = Struct(">Q")


class Log(Protocol):
    """Where identity is kept; ``storage.GroupCommit`` is the real one."""

    batch: Batch

    def flush_soon(self) -> None:
        """Hand the gathering batch to the disk."""

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return a value of a bucket, or None."""

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Return the pairs of a bucket, in key order."""


@dataclass(frozen=True)
class Identity:
    """This member, its cluster, and which of its lives this is."""

    member_id: int
    cluster_id: int
    raft_term: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]


def is_new(log: Log) -> bool:
    """Tell whether the store has no member yet: it was never started."""
    return next(iter(log.items(Bucket.MEMBERS)), None) is None


def start_up(
    log: Log, *, name: str, peer_urls: Sequence[str], token: str, client_urls: Sequence[str]
) -> Identity:
    """
    Read who this server is, or decide it if the store is new, and write down this start.

    The caller makes the batch durable before it serves: a term must not be used twice.

    Args:
        name: Of the member (``--name``).
        peer_urls: As advertised; used only if the store is new.
        token: ``--initial-cluster-token``; used only if the store is new.
        client_urls: As advertised.

    """
    stored = next(iter(log.items(Bucket.MEMBERS)), None)
    if stored is None:
        own_id, peers = member_id(peer_urls, token), tuple(peer_urls)
    else:
        own_id, peers = int(stored[0], 16), tuple(json.loads(stored[1])["peerURLs"])
    term = log.get(Bucket.META, TERM)
    identity = Identity(
        member_id=own_id,
        cluster_id=cluster_id(own_id),
        raft_term=_U64.unpack(term)[0] + 1 if term else FIRST_TERM,
        name=name,
        peer_urls=peers,
        client_urls=tuple(client_urls),
    )
    _write(log, identity)
    return identity


def _write(log: Log, identity: Identity) -> None:
    puts = log.batch.puts
    member = {"id": identity.member_id, "peerURLs": identity.peer_urls, "name": identity.name}
    if identity.client_urls:
        member["clientURLs"] = identity.client_urls
    puts[Bucket.MEMBERS, b"%016x" % identity.member_id] = _json(member)
    puts[Bucket.META, TERM] = _U64.pack(identity.raft_term)
    puts[Bucket.META, STORAGE_VERSION_KEY] = STORAGE_VERSION.encode()
    puts[Bucket.META, CONF_STATE] = _json({"voters": [identity.member_id], "auto_leave": False})
    puts[Bucket.CLUSTER, CLUSTER_VERSION] = STORAGE_VERSION.encode()
    log.flush_soon()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
