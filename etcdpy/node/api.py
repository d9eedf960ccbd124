"""
What a client can ask of a node, whatever it speaks: the one interface behind every door.

Services, locks and elections, and work inside the server are all written against this; ``Node``
is what implements it. A method takes a request, as a message of the protocol, and a ``Caller``.
It raises a plain ``EtcdError`` where etcd refuses. Those on the hot path return their response
encoded already, and may have it held back: ``cooperative.outcome`` makes a reply of anything that
is returned. None may be called from another thread than the loop's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Protocol, TypeVar

from etcdpy.cooperative import DeferredReply
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.caller import Caller
from etcdpy.node.internal import Head
from etcdpy.node.kv import Answer
from etcdpy.node.watch_session import WatchSession
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch import ResponseWriter
from etcdpy.watch.local import LocalWatch

__all__ = ["LocalApi", "NodeApi"]

T = TypeVar("T")
Reply = Coroutine[Any, Any, T]


class NodeApi(Protocol):
    """A node, as those who serve it see it; what each method does is said where it is done."""

    # Keys: node/kv.py.

    def range(self, request: pb.RangeRequest, caller: Caller) -> Answer:
        """Read keys."""

    def range_stream(self, request: pb.RangeRequest, caller: Caller) -> AsyncGenerator[bytes, None]:
        """Read keys, in chunks."""

    def put(self, request: pb.PutRequest, caller: Caller) -> Answer:
        """Write one key."""

    def delete_range(self, request: pb.DeleteRangeRequest, caller: Caller) -> Answer:
        """Delete keys."""

    def txn(self, request: Txn, caller: Caller) -> Answer:
        """Apply a transaction."""

    def compact(self, request: pb.CompactionRequest, caller: Caller) -> Reply[bytes]:
        """Forget history."""

    # Watches: node/watches.py.

    def watch(self, writer: ResponseWriter, caller: Caller) -> WatchSession:
        """Begin to serve a client that watches."""

    # Leases: node/leases.py.

    def lease_grant(self, request: pb.LeaseGrantRequest, caller: Caller) -> DeferredReply:
        """Create a lease."""

    def lease_revoke(self, request: pb.LeaseRevokeRequest, caller: Caller) -> Reply[DeferredReply]:
        """End a lease and delete its keys."""

    def lease_keep_alive(
        self, request: pb.LeaseKeepAliveRequest, caller: Caller
    ) -> bytes | Reply[bytes]:
        """Renew a lease."""

    def lease_time_to_live(
        self, request: pb.LeaseTimeToLiveRequest, caller: Caller
    ) -> Reply[bytes]:
        """Tell how long a lease has, and its keys."""

    def lease_leases(self, request: pb.LeaseLeasesRequest, caller: Caller) -> Reply[bytes]:
        """List the leases."""

    # Members: node/cluster.py.

    def member_list(
        self, request: pb.MemberListRequest, caller: Caller
    ) -> Reply[pb.MemberListResponse]:
        """List the members."""

    def member_add(
        self, request: pb.MemberAddRequest, caller: Caller
    ) -> Reply[pb.MemberAddResponse]:
        """Add a member."""

    def member_remove(
        self, request: pb.MemberRemoveRequest, caller: Caller
    ) -> Reply[pb.MemberRemoveResponse]:
        """Remove a member."""

    def member_update(
        self, request: pb.MemberUpdateRequest, caller: Caller
    ) -> Reply[pb.MemberUpdateResponse]:
        """Change the peer URLs of a member."""

    def member_promote(
        self, request: pb.MemberPromoteRequest, caller: Caller
    ) -> Reply[pb.MemberPromoteResponse]:
        """Make a learner a voter."""

    # The node itself: node/maintenance.py.

    def status(self, request: pb.StatusRequest, caller: Caller) -> Reply[pb.StatusResponse]:
        """Tell how the node is."""

    def alarm(self, request: pb.AlarmRequest, caller: Caller) -> Reply[pb.AlarmResponse]:
        """List alarms, or switch one on or off."""

    def hash_kv(self, request: pb.HashKVRequest, caller: Caller) -> Reply[pb.HashKVResponse]:
        """Hash the keys at a revision."""

    def hash(self, request: pb.HashRequest, caller: Caller) -> Reply[pb.HashResponse]:
        """Hash all that is stored."""

    def defragment(
        self, request: pb.DefragmentRequest, caller: Caller
    ) -> Reply[pb.DefragmentResponse]:
        """Give space that is not used to the disk again."""

    def move_leader(
        self, request: pb.MoveLeaderRequest, caller: Caller
    ) -> Reply[pb.MoveLeaderResponse]:
        """Move the leadership."""

    def downgrade(
        self, request: pb.DowngradeRequest, caller: Caller
    ) -> Reply[pb.DowngradeResponse]:
        """Check, begin or cancel a downgrade."""

    def snapshot(
        self, request: pb.SnapshotRequest, caller: Caller
    ) -> AsyncGenerator[pb.SnapshotResponse, None]:
        """Give the store as a file of etcd's, in pieces."""

    # Who may do what: node/authentication.py.

    def auth_enable(
        self, request: pb.AuthEnableRequest, caller: Caller
    ) -> Reply[pb.AuthEnableResponse]:
        """Switch authentication on."""

    def auth_disable(
        self, request: pb.AuthDisableRequest, caller: Caller
    ) -> Reply[pb.AuthDisableResponse]:
        """Switch authentication off; who has logged in has to do so again afterwards."""

    def auth_status(
        self, request: pb.AuthStatusRequest, caller: Caller
    ) -> Reply[pb.AuthStatusResponse]:
        """Tell whether authentication is on, and its revision."""

    def authenticate(
        self, request: pb.AuthenticateRequest, caller: Caller
    ) -> Reply[pb.AuthenticateResponse]:
        """Log in: give a token for a name and a password."""

    def user_add(
        self, request: pb.AuthUserAddRequest, caller: Caller
    ) -> Reply[pb.AuthUserAddResponse]:
        """Add a user."""

    def user_get(
        self, request: pb.AuthUserGetRequest, caller: Caller
    ) -> Reply[pb.AuthUserGetResponse]:
        """List the roles of a user."""

    def user_list(
        self, request: pb.AuthUserListRequest, caller: Caller
    ) -> Reply[pb.AuthUserListResponse]:
        """List the users."""

    def user_delete(
        self, request: pb.AuthUserDeleteRequest, caller: Caller
    ) -> Reply[pb.AuthUserDeleteResponse]:
        """Delete a user, and forget its tokens."""

    def user_change_password(
        self, request: pb.AuthUserChangePasswordRequest, caller: Caller
    ) -> Reply[pb.AuthUserChangePasswordResponse]:
        """Change a password, and forget the user's tokens."""

    def user_grant_role(
        self, request: pb.AuthUserGrantRoleRequest, caller: Caller
    ) -> Reply[pb.AuthUserGrantRoleResponse]:
        """Grant a role to a user."""

    def user_revoke_role(
        self, request: pb.AuthUserRevokeRoleRequest, caller: Caller
    ) -> Reply[pb.AuthUserRevokeRoleResponse]:
        """Take a role from a user."""

    def role_add(
        self, request: pb.AuthRoleAddRequest, caller: Caller
    ) -> Reply[pb.AuthRoleAddResponse]:
        """Add a role."""

    def role_get(
        self, request: pb.AuthRoleGetRequest, caller: Caller
    ) -> Reply[pb.AuthRoleGetResponse]:
        """List what a role permits."""

    def role_list(
        self, request: pb.AuthRoleListRequest, caller: Caller
    ) -> Reply[pb.AuthRoleListResponse]:
        """List the roles."""

    def role_delete(
        self, request: pb.AuthRoleDeleteRequest, caller: Caller
    ) -> Reply[pb.AuthRoleDeleteResponse]:
        """Delete a role, and take it from all users."""

    def role_grant_permission(
        self, request: pb.AuthRoleGrantPermissionRequest, caller: Caller
    ) -> Reply[pb.AuthRoleGrantPermissionResponse]:
        """Let a role do something."""

    def role_revoke_permission(
        self, request: pb.AuthRoleRevokePermissionRequest, caller: Caller
    ) -> Reply[pb.AuthRoleRevokePermissionResponse]:
        """Let a role no longer do anything with some keys."""


class LocalApi(Protocol):
    """A node, as work inside the server sees it: node/internal.py."""

    def transact(self, request: Txn, caller: Caller) -> Reply[DeferredReply]:
        """Apply a transaction that writes; the reply is a ``TxnResult``."""

    def grant(self, ttl: int, caller: Caller) -> Reply[int]:
        """Grant a lease, and return its id."""

    def head(self, start: bytes, end: bytes, caller: Caller) -> Reply[Head]:
        """Return which key of a range was created first."""

    def predecessor(
        self, start: bytes, end: bytes, created: int, caller: Caller
    ) -> Reply[tuple[int, bytes | None]]:
        """Return the youngest key of a range that is older than ``created``."""

    def still_there(
        self, key: bytes, created: int, start: bytes, end: bytes, caller: Caller
    ) -> int | None:
        """Tell as of which revision a key is there that was created then, None if it is not."""

    def exists(self, key: bytes, revision: int, caller: Caller) -> bool:
        """Tell whether there was a key at a revision that has just been the durable one."""

    def watch_locally(
        self, key: bytes, range_end: bytes, revision: int, caller: Caller
    ) -> LocalWatch:
        """Return a watch."""

    def header(self, revision: int = 0) -> pb.ResponseHeader:
        """Return the header of a reply that names ``revision``."""
