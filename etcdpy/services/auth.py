"""The Auth service."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from etcdpy.node.api import NodeApi
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import inline


class AuthService:
    """All of it, from AuthEnable to RoleRevokePermission."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @inline
    def AuthEnable(
        self, request: pb.AuthEnableRequest, context: Any
    ) -> Awaitable[pb.AuthEnableResponse]:
        """Switch authentication on."""
        return self._node.auth_enable(request, context)

    @inline
    def AuthDisable(
        self, request: pb.AuthDisableRequest, context: Any
    ) -> Awaitable[pb.AuthDisableResponse]:
        """Switch authentication off; who has logged in has to do so again afterwards."""
        return self._node.auth_disable(request, context)

    @inline
    def AuthStatus(
        self, request: pb.AuthStatusRequest, context: Any
    ) -> Awaitable[pb.AuthStatusResponse]:
        """Tell whether authentication is on, and its revision."""
        return self._node.auth_status(request, context)

    @inline
    def Authenticate(
        self, request: pb.AuthenticateRequest, context: Any
    ) -> Awaitable[pb.AuthenticateResponse]:
        """Log in: give a token for a name and a password."""
        return self._node.authenticate(request, context)

    @inline
    def UserAdd(
        self, request: pb.AuthUserAddRequest, context: Any
    ) -> Awaitable[pb.AuthUserAddResponse]:
        """Add a user."""
        return self._node.user_add(request, context)

    @inline
    def UserGet(
        self, request: pb.AuthUserGetRequest, context: Any
    ) -> Awaitable[pb.AuthUserGetResponse]:
        """List the roles of a user."""
        return self._node.user_get(request, context)

    @inline
    def UserList(
        self, request: pb.AuthUserListRequest, context: Any
    ) -> Awaitable[pb.AuthUserListResponse]:
        """List the users."""
        return self._node.user_list(request, context)

    @inline
    def UserDelete(
        self, request: pb.AuthUserDeleteRequest, context: Any
    ) -> Awaitable[pb.AuthUserDeleteResponse]:
        """Delete a user, and forget its tokens."""
        return self._node.user_delete(request, context)

    @inline
    def UserChangePassword(
        self, request: pb.AuthUserChangePasswordRequest, context: Any
    ) -> Awaitable[pb.AuthUserChangePasswordResponse]:
        """Change a password, and forget the user's tokens."""
        return self._node.user_change_password(request, context)

    @inline
    def UserGrantRole(
        self, request: pb.AuthUserGrantRoleRequest, context: Any
    ) -> Awaitable[pb.AuthUserGrantRoleResponse]:
        """Grant a role to a user."""
        return self._node.user_grant_role(request, context)

    @inline
    def UserRevokeRole(
        self, request: pb.AuthUserRevokeRoleRequest, context: Any
    ) -> Awaitable[pb.AuthUserRevokeRoleResponse]:
        """Take a role from a user."""
        return self._node.user_revoke_role(request, context)

    @inline
    def RoleAdd(
        self, request: pb.AuthRoleAddRequest, context: Any
    ) -> Awaitable[pb.AuthRoleAddResponse]:
        """Add a role."""
        return self._node.role_add(request, context)

    @inline
    def RoleGet(
        self, request: pb.AuthRoleGetRequest, context: Any
    ) -> Awaitable[pb.AuthRoleGetResponse]:
        """List what a role permits."""
        return self._node.role_get(request, context)

    @inline
    def RoleList(
        self, request: pb.AuthRoleListRequest, context: Any
    ) -> Awaitable[pb.AuthRoleListResponse]:
        """List the roles."""
        return self._node.role_list(request, context)

    @inline
    def RoleDelete(
        self, request: pb.AuthRoleDeleteRequest, context: Any
    ) -> Awaitable[pb.AuthRoleDeleteResponse]:
        """Delete a role, and take it from all users."""
        return self._node.role_delete(request, context)

    @inline
    def RoleGrantPermission(
        self, request: pb.AuthRoleGrantPermissionRequest, context: Any
    ) -> Awaitable[pb.AuthRoleGrantPermissionResponse]:
        """Let a role do something."""
        return self._node.role_grant_permission(request, context)

    @inline
    def RoleRevokePermission(
        self, request: pb.AuthRoleRevokePermissionRequest, context: Any
    ) -> Awaitable[pb.AuthRoleRevokePermissionResponse]:
        """Let a role no longer do anything with some keys."""
        return self._node.role_revoke_permission(request, context)
