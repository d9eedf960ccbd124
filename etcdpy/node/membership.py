"""
Who this server is: the one member of its cluster that is there.

Identity is decided when the data directory is made, from the peer URLs and the cluster
token, and kept in the ``members`` bucket; name and client URLs follow the configuration
at every start, and every start is a new raft term. Peer URLs change only when an operator
says so; the IDs stay, whatever they were computed from.

Beside it there may be learners, which an operator has added: they have no vote, so whether they
ever start changes nothing for this one. None ever does, as nobody here would send it anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from etcdpy.node.cluster_ids import cluster_id, member_id
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog

TERM = b"term"
AUTH_REVISION = b"authRevision"
CONF_STATE = b"confState"

#: The raft term after the first start: etcd's first election makes it 2.
FIRST_TERM = 2

_U64 = Struct(">Q")


class Learner(NamedTuple):
    """A member without a vote, which is known by its peer URLs alone until it starts."""

    member_id: int
    peer_urls: tuple[str, ...]


class Identity(NamedTuple):
    """This member, its cluster, and which of its lives this is."""

    member_id: int
    cluster_id: int
    raft_term: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]


class Membership:
    """
    The members of the cluster: this one, for good, and learners.

    Attributes:
        identity: Who this server is, with the peer URLs it has now.
        learners: By their IDs.

    """

    def __init__(self, log: CommitLog, identity: Identity) -> None:
        self._log = log
        self.identity = identity
        self.learners: dict[int, Learner] = {}
        for _, row in log.items(Bucket.MEMBERS):
            member = json.loads(row)
            if member.get("isLearner"):
                found = Learner(member["id"], tuple(member["peerURLs"] or ()))
                self.learners[found.member_id] = found
        self._removed = {int(key, 16) for key, _ in log.items(Bucket.MEMBERS_REMOVED)}

    def knows(self, id_: int) -> bool:
        """Tell whether somebody is a member."""
        return id_ == self.identity.member_id or id_ in self.learners

    def was_removed(self, id_: int) -> bool:
        """Tell whether somebody was a member, whose ID nobody gets again."""
        return id_ in self._removed

    def urls_of_others(self, id_: int) -> set[str]:
        """Return the peer URLs of all members but one."""
        urls = {one.member_id: one.peer_urls for one in self.learners.values()}
        urls[self.identity.member_id] = self.identity.peer_urls
        return {url for member, some in urls.items() if member != id_ for url in some}

    def new_learner(self, peer_urls: Iterable[str], wall: float) -> Learner:
        """
        Make a learner, which is a member once it is given to ``take``.

        Its ID is made of the second in which it is added, and not of the cluster's token.
        (etcd: ``v3rpc/member.go``, MemberAdd)
        """
        urls = tuple(sorted(peer_urls))
        return Learner(member_id(urls, str(int(wall))), urls)

    def take(self, learner: Learner) -> None:
        """Make a learner a member, or write down its other URLs."""
        self.learners[learner.member_id] = learner
        row = {"id": learner.member_id, "peerURLs": learner.peer_urls or None, "isLearner": True}
        self._log.batch.puts[Bucket.MEMBERS, _key(learner.member_id)] = _json(row)
        self._write_voters()

    def remove(self, id_: int) -> None:
        """Remove a learner for good."""
        del self.learners[id_]
        self._removed.add(id_)
        puts = self._log.batch.puts
        puts[Bucket.MEMBERS, _key(id_)] = None
        # (etcd: schema/membership.go, MustDeleteMemberFromBackend)
        puts[Bucket.MEMBERS_REMOVED, _key(id_)] = b"removed"
        self._write_voters()

    def _write_voters(self) -> None:
        _write_conf_state(self._log, self.identity.member_id, sorted(self.learners))
        self._log.flush_soon()

    def update(self, peer_urls: Sequence[str]) -> None:
        """
        Give this member other peer URLs, which outlive a restart.

        They are stored as they come, even if they are none (etcd: applyConfChange).
        """
        self.identity = self.identity._replace(peer_urls=tuple(peer_urls))
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
    rows = [(key, json.loads(row)) for key, row in log.items(Bucket.MEMBERS)]
    learners = sorted(int(key, 16) for key, row in rows if row.get("isLearner"))
    stored = next((one for one in rows if not one[1].get("isLearner")), None)
    if stored is None:
        # Nothing of authentication is set up yet (etcd: auth.NewAuthStore).
        log.batch.puts[Bucket.AUTH, AUTH_REVISION] = _U64.pack(1)
        own_id, peers = member_id(peer_urls, token), tuple(peer_urls)
    else:
        # Whatever the settings say by now: the ids and peer URLs are those of the data.
        own_id, peers = int(stored[0], 16), tuple(stored[1]["peerURLs"] or ())
    term = log.get(Bucket.META, TERM)
    identity = Identity(
        member_id=own_id,
        cluster_id=cluster_id(own_id),
        raft_term=_U64.unpack(term)[0] + 1 if term else FIRST_TERM,
        name=name,
        peer_urls=peers,
        client_urls=tuple(client_urls),
    )
    _write(log, identity, learners)
    return identity


def _write(log: CommitLog, identity: Identity, learners: Sequence[int]) -> None:
    puts = log.batch.puts
    _write_member(log, identity)
    # (etcd: schema/cindex.go and schema/confstate.go)
    puts[Bucket.META, TERM] = _U64.pack(identity.raft_term)
    _write_conf_state(log, identity.member_id, learners)
    log.flush_soon()


def _write_conf_state(log: CommitLog, voter: int, learners: Sequence[int]) -> None:
    state: dict[str, object] = {"voters": [voter]}
    if learners:
        state["learners"] = learners
    log.batch.puts[Bucket.META, CONF_STATE] = _json(state | {"auto_leave": False})


def _write_member(log: CommitLog, identity: Identity) -> None:
    # No URLs are null: what Go's encoder makes of an empty list that came over the wire.
    # (etcd: membership/member.go, Member)
    member: dict[str, object] = {"id": identity.member_id, "peerURLs": identity.peer_urls or None}
    if identity.name:
        member["name"] = identity.name
    if identity.client_urls:
        member["clientURLs"] = identity.client_urls
    log.batch.puts[Bucket.MEMBERS, _key(identity.member_id)] = _json(member)


def _key(id_: int) -> bytes:
    return b"%016x" % id_


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
