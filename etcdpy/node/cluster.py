"""The cluster: one member, which never gets another."""

from __future__ import annotations

from collections.abc import Iterable

from etcdpy.config.urls import UrlError, parse_urls
from etcdpy.errors import (
    BadMemberUrlsError,
    MemberNotFoundError,
    NotLearnerError,
    PeerUrlExistsError,
    TooFewStartedMembersError,
    TooManyLearnersError,
)
from etcdpy.node.caller import Caller
from etcdpy.node.parts import Part
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["Cluster"]


class Cluster(Part):
    """
    The methods of a node that are about members; as in etcd, headers have no revision.

    Nothing makes a second member: where etcd would take one in, this says what etcd says
    of changes that cost the quorum.
    """

    async def member_list(
        self, request: pb.MemberListRequest, caller: Caller
    ) -> pb.MemberListResponse:
        """List this member."""
        return pb.MemberListResponse(header=self.header(), members=[self._member()])

    async def member_add(
        self, request: pb.MemberAddRequest, caller: Caller
    ) -> pb.MemberAddResponse:
        """
        Refuse, after etcd's checks of what is asked. (etcd: ``membership/cluster.go``)

        Raises:
            BadMemberUrlsError: If its peer URLs are none.
            PeerUrlExistsError: If this member has one of them.
            TooManyLearnersError: If it is a learner, and there may be none.
            TooFewStartedMembersError: In every other case.

        """
        wanted = _checked(request.peerURLs)
        # The order is that of membership/cluster.go, ValidateConfigurationChange.
        if not wanted.isdisjoint(self.identity.peer_urls):
            raise PeerUrlExistsError
        # (etcd: membership/cluster.go, ValidateConfigurationChange: maxLearners)
        if request.isLearner and self._parts.settings.max_learners < 1:
            raise TooManyLearnersError
        # (etcd: server.go, mayAddMember: strict reconfiguration checks)
        raise TooFewStartedMembersError

    async def member_remove(
        self, request: pb.MemberRemoveRequest, caller: Caller
    ) -> pb.MemberRemoveResponse:
        """
        Refuse: without this member there is nobody left.

        Raises:
            MemberNotFoundError: If it is not this one.
            TooFewStartedMembersError: If it is.

        """
        self._check_known(request.ID)
        # (etcd: server.go, mayRemoveMember)
        raise TooFewStartedMembersError

    async def member_update(
        self, request: pb.MemberUpdateRequest, caller: Caller
    ) -> pb.MemberUpdateResponse:
        """
        Change the peer URLs of this member; etcd does not look at them, nor does this.

        Raises:
            MemberNotFoundError: If it is not this one.

        """
        self._check_known(request.ID)
        self._parts.membership.update(request.peerURLs)
        # A change of members is an entry of etcd's raft log, and no revision.
        self._store.applied_index += 1
        reply = pb.MemberUpdateResponse(header=self.header(), members=[self._member()])
        await self._settled()
        return reply

    async def member_promote(
        self, request: pb.MemberPromoteRequest, caller: Caller
    ) -> pb.MemberPromoteResponse:
        """
        Refuse: this member votes already.

        Raises:
            MemberNotFoundError: If it is not this one.
            NotLearnerError: If it is.

        """
        self._check_known(request.ID)
        # (etcd: membership/cluster.go, IsReadyToPromoteMember comes after this check)
        raise NotLearnerError

    def _check_known(self, member_id: int) -> None:
        if member_id != self.identity.member_id:
            raise MemberNotFoundError

    def _member(self) -> pb.Member:
        """Return how this server shows in the list of members."""
        identity = self.identity
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
