"""
Authentication, as what can be asked of a node: users, roles, logging in.

What is asked goes in etcd's order: passwords are hashed, then it is asked whether the caller may
do that, then whether it can be done. (etcd: ``v3_server.go`` and ``apply/auth.go``)
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final, TypeVar

from etcdpy.auth.passwords import check_length
from etcdpy.auth.permissions import ROOT
from etcdpy.errors import (
    AuthFailedError,
    AuthNotEnabledError,
    EtcdError,
    PasswordGivenError,
    PermissionNotGivenError,
    UserNotFoundError,
)
from etcdpy.node.caller import Caller
from etcdpy.node.guard import Guard
from etcdpy.node.parts import Part, Parts
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission

__all__ = ["Authentication"]

#: What the role ``root`` is shown to permit, whatever it was granted. (etcd: RoleGet)
_EVERYTHING: Final = Permission(permType=Permission.READWRITE, key=b"", range_end=b"\0")

_Changed = TypeVar(
    "_Changed",
    pb.AuthEnableResponse,
    pb.AuthDisableResponse,
    pb.AuthUserAddResponse,
    pb.AuthUserDeleteResponse,
    pb.AuthUserChangePasswordResponse,
    pb.AuthUserGrantRoleResponse,
    pb.AuthUserRevokeRoleResponse,
    pb.AuthRoleAddResponse,
    pb.AuthRoleDeleteResponse,
    pb.AuthRoleGrantPermissionResponse,
    pb.AuthRoleRevokePermissionResponse,
)


class Authentication(Part):
    """
    The methods of a node that are about who may do what.

    Each that changes something returns when that is durable.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._users = parts.users
        lease_exists = parts.leases.lessor.__contains__
        self._guard = Guard(parts.users, parts.tokens, parts.store.attachments, lease_exists)
        self._obey()

    def _obey(self) -> None:
        """Have callers asked who they are, or not."""
        self._admission.guard = self._guard if self._users.is_enabled else None

    async def auth_enable(
        self, request: pb.AuthEnableRequest, caller: Caller
    ) -> pb.AuthEnableResponse:
        """
        Switch authentication on.

        Raises:
            EtcdError: As ``AuthStore.enable`` has it.

        """
        with self._changing("auth_enable", request, caller):
            self._users.enable()
            self._obey()
        return await self._applied(pb.AuthEnableResponse())

    async def auth_disable(
        self, request: pb.AuthDisableRequest, caller: Caller
    ) -> pb.AuthDisableResponse:
        """Switch authentication off; who has logged in has to do so again afterwards."""
        with self._changing("auth_disable", request, caller) as change:
            change.is_one = self._users.is_enabled
            if change.is_one:
                self._users.disable()
                self._parts.tokens.drop_all()
                self._obey()
        return await self._applied(pb.AuthDisableResponse())

    async def auth_status(
        self, request: pb.AuthStatusRequest, caller: Caller
    ) -> pb.AuthStatusResponse:
        """Tell whether authentication is on, and its revision."""
        self._admit("auth_status", request, caller)
        return pb.AuthStatusResponse(
            header=self.header(self._store.revision),
            enabled=self._users.is_enabled,
            authRevision=self._users.revision,
        )

    async def authenticate(
        self, request: pb.AuthenticateRequest, caller: Caller
    ) -> pb.AuthenticateResponse:
        """
        Log in: give a token for a name and a password.

        Raises:
            AuthNotEnabledError: If authentication is off.
            AuthFailedError: If there is no such user, or the password is not its own.
            PasswordGivenError: If the user has none.
            VerifyOnlyError: If tokens cannot be signed here.

        """
        with self._changing("authenticate", request, caller):
            await self._check_password(request, caller.peer())
            token = self._parts.tokens.assign(request.name, self._users.revision)
        header = self.header(self._store.revision)
        await self._settled()
        return pb.AuthenticateResponse(header=header, token=token)

    async def _check_password(self, request: pb.AuthenticateRequest, who: str) -> None:
        """Check that a password is the user's as of now."""
        check, size = self._parts.passwords.check, request.ByteSize()
        # Users may change while it is hashed, and be looked at again then. That what others have
        # changed is no reason to hash it again is seen in nothing but the time. (etcd:
        # v3_server.go, Authenticate, which does so after any change)
        hashed: bytes | None = None
        while True:
            if not self._users.is_enabled:
                raise AuthNotEnabledError
            try:
                user = self._users.user(request.name)
            except UserNotFoundError:
                # Takes as long as a wrong password, or the time would tell which of both it is.
                if hashed is None:
                    await check(request.password, None, size, who)
                raise AuthFailedError from None
            if user.options.no_password:
                raise PasswordGivenError
            if user.password == hashed:
                return
            hashed = user.password
            if not await check(request.password, hashed, size, who):
                raise AuthFailedError

    # --------------------------------------------------------------------- users

    async def user_add(
        self, request: pb.AuthUserAddRequest, caller: Caller
    ) -> pb.AuthUserAddResponse:
        """
        Add a user.

        Raises:
            PasswordTooLongError: If the password has more than 72 bytes; that comes first.
            EtcdError: As ``AuthStore.add_user`` has it.

        """
        hashed, has_password = b"", not request.options.no_password
        if has_password:
            hashed = await self._hash("user_add", request, caller)
        with self._changing("user_add", request, caller):
            self._users.add_user(request.name, hashed, has_password=has_password)
        return await self._applied(pb.AuthUserAddResponse())

    async def user_get(
        self, request: pb.AuthUserGetRequest, caller: Caller
    ) -> pb.AuthUserGetResponse:
        """
        List the roles of a user.

        Raises:
            UserNotFoundError: If there is no such user.

        """
        self._admit("user_get", request, caller)
        header = self.header(self._store.revision)
        return pb.AuthUserGetResponse(header=header, roles=self._users.user(request.name).roles)

    async def user_list(
        self, request: pb.AuthUserListRequest, caller: Caller
    ) -> pb.AuthUserListResponse:
        """List the users."""
        self._admit("user_list", request, caller)
        header = self.header(self._store.revision)
        return pb.AuthUserListResponse(header=header, users=self._users.user_names())

    async def user_delete(
        self, request: pb.AuthUserDeleteRequest, caller: Caller
    ) -> pb.AuthUserDeleteResponse:
        """
        Delete a user, and forget its tokens.

        Raises:
            EtcdError: As ``AuthStore.delete_user`` has it.

        """
        with self._changing("user_delete", request, caller):
            self._users.delete_user(request.name)
            self._parts.tokens.drop_user(request.name)
        return await self._applied(pb.AuthUserDeleteResponse())

    async def user_change_password(
        self, request: pb.AuthUserChangePasswordRequest, caller: Caller
    ) -> pb.AuthUserChangePasswordResponse:
        """
        Change a password, and forget the user's tokens.

        Without a password a hash may be given, in base64, which is kept as it is.

        Raises:
            PasswordTooLongError: If the password has more than 72 bytes; that comes first.
            UserNotFoundError: If there is no such user.
            PasswordGivenError: If the hash is no base64.

        """
        hashed: bytes | None = None
        if request.password:
            hashed = await self._hash("user_change_password", request, caller)
        with self._changing("user_change_password", request, caller):
            has_password = not self._users.user(request.name).options.no_password
            if hashed is None and has_password:
                hashed = _given_hash(request.hashedPassword)
            self._users.change_password(request.name, hashed or b"")
            self._parts.tokens.drop_user(request.name)
        return await self._applied(pb.AuthUserChangePasswordResponse())

    async def user_grant_role(
        self, request: pb.AuthUserGrantRoleRequest, caller: Caller
    ) -> pb.AuthUserGrantRoleResponse:
        """
        Grant a role to a user.

        Raises:
            EtcdError: As ``AuthStore.grant_role`` has it.

        """
        with self._changing("user_grant_role", request, caller):
            self._users.grant_role(request.user, request.role)
        return await self._applied(pb.AuthUserGrantRoleResponse())

    async def user_revoke_role(
        self, request: pb.AuthUserRevokeRoleRequest, caller: Caller
    ) -> pb.AuthUserRevokeRoleResponse:
        """
        Take a role from a user.

        Raises:
            EtcdError: As ``AuthStore.revoke_role`` has it.

        """
        with self._changing("user_revoke_role", request, caller):
            self._users.revoke_role(request.name, request.role)
        return await self._applied(pb.AuthUserRevokeRoleResponse())

    # --------------------------------------------------------------------- roles

    async def role_add(
        self, request: pb.AuthRoleAddRequest, caller: Caller
    ) -> pb.AuthRoleAddResponse:
        """
        Add a role.

        Raises:
            EtcdError: As ``AuthStore.add_role`` has it.

        """
        with self._changing("role_add", request, caller):
            self._users.add_role(request.name)
        return await self._applied(pb.AuthRoleAddResponse())

    async def role_get(
        self, request: pb.AuthRoleGetRequest, caller: Caller
    ) -> pb.AuthRoleGetResponse:
        """
        List what a role permits.

        Raises:
            RoleNotFoundError: If there is no such role.

        """
        self._admit("role_get", request, caller)
        role = self._users.role(request.role)
        permissions = [_EVERYTHING] if request.role == ROOT else role.keyPermission
        return pb.AuthRoleGetResponse(header=self.header(self._store.revision), perm=permissions)

    async def role_list(
        self, request: pb.AuthRoleListRequest, caller: Caller
    ) -> pb.AuthRoleListResponse:
        """List the roles."""
        self._admit("role_list", request, caller)
        header = self.header(self._store.revision)
        return pb.AuthRoleListResponse(header=header, roles=self._users.role_names())

    async def role_delete(
        self, request: pb.AuthRoleDeleteRequest, caller: Caller
    ) -> pb.AuthRoleDeleteResponse:
        """
        Delete a role, and take it from all users.

        Raises:
            EtcdError: As ``AuthStore.delete_role`` has it.

        """
        # Very many may have it; what they become is found out before, for who may do this.
        self._admit("role_delete", request, caller)
        changed = await self._parts.baton.run(self._users.without_role(request.role))
        with self._changing("role_delete", request, caller):
            self._users.delete_role(request.role, changed)
        return await self._applied(pb.AuthRoleDeleteResponse())

    async def role_grant_permission(
        self, request: pb.AuthRoleGrantPermissionRequest, caller: Caller
    ) -> pb.AuthRoleGrantPermissionResponse:
        """
        Let a role do something.

        Raises:
            PermissionNotGivenError: If the request does not say what.
            EtcdError: As ``AuthStore.grant_permission`` has it.

        """
        with self._changing("role_grant_permission", request, caller):
            if not request.HasField("perm"):
                raise PermissionNotGivenError
            self._users.grant_permission(request.name, request.perm)
        return await self._applied(pb.AuthRoleGrantPermissionResponse())

    async def role_revoke_permission(
        self, request: pb.AuthRoleRevokePermissionRequest, caller: Caller
    ) -> pb.AuthRoleRevokePermissionResponse:
        """
        Let a role no longer do anything with some keys.

        Raises:
            EtcdError: As ``AuthStore.revoke_permission`` has it.

        """
        with self._changing("role_revoke_permission", request, caller):
            self._users.revoke_permission(request.role, request.key, request.range_end)
        return await self._applied(pb.AuthRoleRevokePermissionResponse())

    # ------------------------------------------------------------------- helpers

    async def _hash(
        self,
        method: str,
        request: pb.AuthUserAddRequest | pb.AuthUserChangePasswordRequest,
        caller: Caller,
    ) -> bytes:
        """Hash the password in a request, but not for those who are refused anyway."""
        try:
            check_length(request.password)
        except EtcdError as error:
            self._admission.refused(error, method, request, caller)
            raise
        self._admit(method, request, caller)
        return await self._parts.passwords.hash(request.password, caller.peer())

    async def _applied(self, reply: _Changed) -> _Changed:
        """Fill in the reply to a change, and wait until that is durable."""
        # A change is an entry of etcd's raft log, and no revision of the keys.
        self._store.applied_index += 1
        reply.header.CopyFrom(self.header(self._store.revision))
        await self._settled()
        return reply


def _given_hash(text: str) -> bytes:
    """Return the hash that a client has sent. (etcd: auth/store.go, selectPassword)"""
    try:
        # Go's decoder passes over line breaks, and nothing else.
        return b64decode(text.replace("\r", "").replace("\n", "").encode(), validate=True)
    except binascii.Error:
        raise PasswordGivenError from None
