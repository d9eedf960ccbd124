"""The Cluster service: a cluster of one, which never has another member."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etcdpy.config.urls import UrlError, parse_urls
from etcdpy.errors import (
    BadMemberUrlsError,
    MemberNotFoundError,
    NotLearnerError,
    PeerUrlExistsError,
    TooFewStartedMembersError,
    TooManyLearnersError,
)
from etcdpy.node.membership import Identity
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.transport import inline


class ClusterService(rpc_pb2_grpc.ClusterServicer):
    """
    What a one-member etcd answers; as in etcd, headers have no revision.

    Nothing makes a second member: where etcd would take one in, this says what etcd says
    of changes that cost the quorum.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    @inline
    async def MemberList(
        self, request: pb.MemberListRequest, context: Any
    ) -> pb.MemberListResponse:
        """List this member."""
        node = self._node
        return pb.MemberListResponse(header=node.header(), members=[member(node.identity)])

    @inline
    async def MemberAdd(self, request: pb.MemberAddRequest, context: Any) -> pb.MemberAddResponse:
        """Refuse, after etcd's checks of what is asked."""
        wanted = _checked(request.peerURLs)
        if not wanted.isdisjoint(self._node.identity.peer_urls):
            raise PeerUrlExistsError
        if request.isLearner and self._node.max_learners < 1:
            raise TooManyLearnersError
        raise TooFewStartedMembersError

    @inline
    async def MemberRemove(
        self, request: pb.MemberRemoveRequest, context: Any
    ) -> pb.MemberRemoveResponse:
        """Refuse: without this member there is nobody left."""
        self._check_known(request.ID)
        raise TooFewStartedMembersError

    @inline
    async def MemberUpdate(
        self, request: pb.MemberUpdateRequest, context: Any
    ) -> pb.MemberUpdateResponse:
        """Change the peer URLs of this member; etcd does not look at them, nor does this."""
        self._check_known(request.ID)
        node, store = self._node, self._node.store
        node.membership.update(request.peerURLs)
        store.applied_index += 1
        reply = pb.MemberUpdateResponse(header=node.header(), members=[member(node.identity)])
        if settled := store.settled():
            await settled
        return reply

    @inline
    async def MemberPromote(
        self, request: pb.MemberPromoteRequest, context: Any
    ) -> pb.MemberPromoteResponse:
        """Refuse: this member votes already."""
        self._check_known(request.ID)
        raise NotLearnerError

    def _check_known(self, member_id: int) -> None:
        if member_id != self._node.identity.member_id:
            raise MemberNotFoundError


def member(identity: Identity) -> pb.Member:
    """Return how this server shows in the list of members."""
    return pb.Member(
        ID=identity.member_id,
        name=identity.name,
        peerURLs=identity.peer_urls,
        clientURLs=identity.client_urls,
    )


def _checked(texts: Iterable[str]) -> set[str]:
    """Return peer URLs as they would be stored; raise if they are none (etcd: NewURLs)."""
    try:
        urls = {str(url) for text in texts for url in parse_urls(text)}
    except UrlError:
        raise BadMemberUrlsError from None
    if not urls:
        raise BadMemberUrlsError
    return urls
