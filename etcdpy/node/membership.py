"""
Who this server is: the one member of its cluster.

Identity is decided when the data directory is made, from the peer URLs and the cluster
token, and kept in the ``members`` bucket; name and client URLs follow the configuration
at every start, and every start is a new raft term. Peer URLs change only when an operator
says so; the IDs stay, whatever they were computed from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from struct import Struct

from etcdpy.node.cluster_ids import cluster_id, member_id
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog

TERM = b"term"
AUTH_REVISION = b"authRevision"
CONF_STATE = b"confState"

#: The raft term after the first start: etcd's first election makes it 2.
FIRST_TERM = 2

_U64 = Struct(">Q")


@dataclass(frozen=True)
class Identity:
    """This member, its cluster, and which of its lives this is."""

    member_id: int
    cluster_id: int
    raft_term: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]


class Membership:
    """
    The members of the cluster: this one, for good.

    Attributes:
        identity: Who this server is, with the peer URLs it has now.

    """

    def __init__(self, log: CommitLog, identity: Identity) -> None:
        self._log = log
        self.identity = identity

    def update(self, peer_urls: Sequence[str]) -> None:
        """
        Give this member other peer URLs, which outlive a restart.

        They are stored as they come, even if they are none (etcd: applyConfChange).
        """
        self.identity = replace(self.identity, peer_urls=tuple(peer_urls))
        _write_member(self._log, self.identity)
        self._log.flush_soon()


def start_up(
    log: CommitLog, *, name: str, peer_urls: Sequence[str], token: str, client_urls: Sequence[str]
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
        # Nothing of authentication is set up yet (etcd: auth.NewAuthStore).
        log.batch.puts[Bucket.AUTH, AUTH_REVISION] = _U64.pack(1)
        own_id, peers = member_id(peer_urls, token), tuple(peer_urls)
    else:
        # Whatever the settings say by now: the ids and peer URLs are those of the data.
        own_id, peers = int(stored[0], 16), tuple(json.loads(stored[1])["peerURLs"] or ())
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


def _write(log: CommitLog, identity: Identity) -> None:
    puts = log.batch.puts
    _write_member(log, identity)
    # (etcd: schema/cindex.go and schema/confstate.go)
    puts[Bucket.META, TERM] = _U64.pack(identity.raft_term)
    puts[Bucket.META, CONF_STATE] = _json({"voters": [identity.member_id], "auto_leave": False})
    log.flush_soon()


def _write_member(log: CommitLog, identity: Identity) -> None:
    # No URLs are null: what Go's encoder makes of an empty list that came over the wire.
    # (etcd: membership/member.go, Member)
    member: dict[str, object] = {"id": identity.member_id, "peerURLs": identity.peer_urls or None}
    if identity.name:
        member["name"] = identity.name
    if identity.client_urls:
        member["clientURLs"] = identity.client_urls
    log.batch.puts[Bucket.MEMBERS, b"%016x" % identity.member_id] = _json(member)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
