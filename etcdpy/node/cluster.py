"""The cluster: one member that is there, and learners that are not."""

from __future__ import annotations

from typing import TypeVar

from etcdpy.errors import (
    EtcdError,
    LearnerNotReadyError,
    MemberExistsError,
    MemberNotFoundError,
    NotLearnerError,
    PeerUrlExistsError,
    TooFewStartedMembersError,
    TooManyLearnersError,
)
from etcdpy.node.caller import Caller
from etcdpy.node.checks import peer_urls
from etcdpy.node.membership import Learner
from etcdpy.node.parts import Part
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["Cluster"]

_Changed = TypeVar(
    "_Changed", pb.MemberAddResponse, pb.MemberRemoveResponse, pb.MemberUpdateResponse
)


class Cluster(Part):
    """
    The methods of a node that are about members; as in etcd, headers have no revision.

    Nothing makes a second voter: where etcd would take one in, this says what etcd says
    of changes that cost the quorum. Learners cost none, and may be added as in etcd.
    """

    async def member_list(
        self, request: pb.MemberListRequest, caller: Caller
    ) -> pb.MemberListResponse:
        """List the members."""
        self._admit("member_list", request, caller)
        return pb.MemberListResponse(header=self.header(), members=self._members())

    async def member_add(
        self, request: pb.MemberAddRequest, caller: Caller
    ) -> pb.MemberAddResponse:
        """
        Add a learner; refuse a voter, after etcd's checks of what is asked.

        Raises:
            BadMemberUrlsError: If its peer URLs are none.
            MemberNotFoundError: If it has the ID of one that was removed.
            MemberExistsError: If it has the ID of one that there is.
            PeerUrlExistsError: If a member has one of its URLs.
            TooManyLearnersError: If it is a learner, and there may be no more of them.
            TooFewStartedMembersError: If it is none.

        """
        try:
            # In slices, as there may be very many; before it is asked who that is, as in etcd.
            wanted = await self._parts.baton.run(peer_urls(request))
        except EtcdError as error:
            self._admission.refused(error, "member_add", request, caller)
            raise
        with self._changing("member_add", request, caller) as change:
            members = self._parts.membership
            learner = members.new_learner(wanted, self._parts.clock.wall())
            # The order is that of membership/cluster.go, ValidateConfigurationChange.
            if members.was_removed(learner.member_id):
                raise MemberNotFoundError
            if members.knows(learner.member_id):
                raise MemberExistsError
            if not wanted.isdisjoint(members.urls_of_others(learner.member_id)):
                raise PeerUrlExistsError
            if not request.isLearner:
                # (etcd: server.go, mayAddMember: strict reconfiguration checks)
                raise TooFewStartedMembersError
            if len(members.learners) >= self._parts.settings.max_learners:
                raise TooManyLearnersError
            members.take(learner)
            change.result = f'"member":"{learner.member_id:x}"'
        reply = pb.MemberAddResponse(member=_shown(learner))
        return await self._changed(reply)

    async def member_remove(
        self, request: pb.MemberRemoveRequest, caller: Caller
    ) -> pb.MemberRemoveResponse:
        """
        Remove a learner; without this member there would be nobody left.

        Raises:
            MemberNotFoundError: If it is no member.
            TooFewStartedMembersError: If it is this one.

        """
        with self._changing("member_remove", request, caller):
            self._check_known(request.ID)
            if self.identity.member_id == request.ID:
                # (etcd: server.go, mayRemoveMember)
                raise TooFewStartedMembersError
            self._parts.membership.remove(request.ID)
        return await self._changed(pb.MemberRemoveResponse())

    async def member_update(
        self, request: pb.MemberUpdateRequest, caller: Caller
    ) -> pb.MemberUpdateResponse:
        """
        Change the peer URLs of a member; etcd does not ask what they are, nor does this.

        Raises:
            MemberNotFoundError: If it is no member.
            PeerUrlExistsError: If another member has one of them.

        """
        with self._changing("member_update", request, caller):
            self._check_known(request.ID)
            members = self._parts.membership
            if not members.urls_of_others(request.ID).isdisjoint(request.peerURLs):
                raise PeerUrlExistsError
            if self.identity.member_id == request.ID:
                members.update(request.peerURLs)
            else:
                learner = members.learners[request.ID]
                members.take(learner._replace(peer_urls=tuple(request.peerURLs)))
        return await self._changed(pb.MemberUpdateResponse())

    async def member_promote(
        self, request: pb.MemberPromoteRequest, caller: Caller
    ) -> pb.MemberPromoteResponse:
        """
        Refuse: this member votes already, and no learner has the data.

        Raises:
            MemberNotFoundError: If it is no member.
            NotLearnerError: If it is this one.
            LearnerNotReadyError: If it is a learner.

        """
        with self._changing("member_promote", request, caller):
            self._check_known(request.ID)
            if self.identity.member_id != request.ID:
                # (etcd: server.go, isLearnerReady)
                raise LearnerNotReadyError
            # (etcd: membership/cluster.go, IsReadyToPromoteMember comes after this check)
            raise NotLearnerError

    def _check_known(self, member_id: int) -> None:
        if not self._parts.membership.knows(member_id):
            raise MemberNotFoundError

    async def _changed(self, reply: _Changed) -> _Changed:
        """Fill in the reply of a change, and wait until that is durable."""
        # A change of members is an entry of etcd's raft log, and no revision.
        self._store.applied_index += 1
        reply.header.CopyFrom(self.header())
        reply.members.extend(self._members())
        await self._settled()
        return reply

    def _members(self) -> list[pb.Member]:
        """Return the members as they are listed, by their IDs."""
        identity = self.identity
        own = pb.Member(
            ID=identity.member_id,
            name=identity.name,
            peerURLs=identity.peer_urls,
            clientURLs=identity.client_urls,
        )
        learners = map(_shown, self._parts.membership.learners.values())
        return sorted((own, *learners), key=lambda member: member.ID)


def _shown(learner: Learner) -> pb.Member:
    return pb.Member(ID=learner.member_id, peerURLs=learner.peer_urls, isLearner=True)
