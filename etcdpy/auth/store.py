"""
Users, roles, and whether anybody is asked who he is: what is kept of authentication.

Everything is in etcd's own buckets and encodings (``storage.buckets``), so it travels in
snapshots. Each change is in the gathering batch when a method returns, is a new *auth revision*,
and is obeyed from then on; whoever answers waits until the batch is durable.
(etcd: ``server/auth/store.go``)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from etcdpy.auth.permissions import ROOT, Rights, RoleKeys, is_valid, rights_of
from etcdpy.cooperative import Steps
from etcdpy.errors import (
    EmptyRoleError,
    EmptyUserError,
    InvalidAuthManagementError,
    PermissionNotGrantedError,
    RequestTooLargeError,
    RoleExistsError,
    RoleNotFoundError,
    RoleNotGrantedError,
    RootRoleNotGrantedError,
    RootUserNotFoundError,
    UserExistsError,
    UserNotFoundError,
)
from etcdpy.mvcc.slices import Work
from etcdpy.pb.auth_pb2 import Permission, Role, User
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog

__all__ = ["AuthStore"]

_ENABLED: Final = b"authEnabled"
_REVISION: Final = b"authRevision"
_U64: Final = Struct(">Q")

#: Of a name, in bytes: LMDB has no longer keys. bbolt's may have 32 KiB.
_MAX_NAME: Final = 511

#: What changing a user takes, in units of which a slice has 512.
_USER_WORK: Final = 16


class Changed(NamedTuple):
    """
    What becomes of a user.

    Attributes:
        name: Its name.
        before: What it was.
        after: What it is then.
        row: The same, encoded.

    """

    name: str
    before: User
    after: User
    row: bytes


class AuthStore:
    """
    The users and roles of a node.

    Args:
        log: Where they are read from, and changes go.

    Attributes:
        is_enabled: Whether callers are asked who they are.
        revision: Counts the changes, from 1 on.

    """

    def __init__(self, log: CommitLog) -> None:
        self._log = log
        self._users = {
            _text(key): User.FromString(row) for key, row in log.items(Bucket.AUTH_USERS)
        }
        self._roles = {
            _text(key): Role.FromString(row) for key, row in log.items(Bucket.AUTH_ROLES)
        }
        # What follows from these, made when it is asked for.
        self._keys: dict[str, RoleKeys] = {}
        self._rights: dict[str, Rights] = {}
        self.is_enabled = log.get(Bucket.AUTH, _ENABLED) == b"\1"
        stored = log.get(Bucket.AUTH, _REVISION)
        # A new store begins with 1. (etcd: NewAuthStore)
        self.revision = _U64.unpack(stored)[0] if stored else 1

    # ---------------------------------------------------------------- on and off

    def enable(self) -> None:
        """
        Ask callers who they are from now on; that is no change of the revision.

        Raises:
            RootUserNotFoundError: If there is no user ``root``.
            RootRoleNotGrantedError: If it does not have the role ``root``.

        """
        if self.is_enabled:
            return
        if ROOT not in self._users:
            raise RootUserNotFoundError
        if ROOT not in self._users[ROOT].roles:
            raise RootRoleNotGrantedError
        self._switch(True)
        self._log.flush_soon()

    def disable(self) -> None:
        """Ask nobody any more."""
        if self.is_enabled:
            self._switch(False)
            self._changed()

    def _switch(self, is_enabled: bool) -> None:
        self.is_enabled = is_enabled
        self._log.batch.puts[Bucket.AUTH, _ENABLED] = b"\1" if is_enabled else b"\0"

    # -------------------------------------------------------------------- rights

    def rights(self, user: str) -> Rights | None:
        """Return what a user may do as of now, None if there is no such user."""
        found = self._rights.get(user)
        if found is None and user in self._users:
            names = self._users[user].roles
            roles = [self._keys_of(name) for name in names if name in self._roles]
            found = self._rights[user] = rights_of(names, roles)
        return found

    def _keys_of(self, role: str) -> RoleKeys:
        found = self._keys.get(role)
        if found is None:
            found = self._keys[role] = RoleKeys(self._roles[role].keyPermission)
        return found

    # --------------------------------------------------------------------- users

    def user(self, name: str) -> User:
        """
        Return a user, which is not to be changed.

        Raises:
            UserNotFoundError: If there is none of that name.

        """
        try:
            return self._users[name]
        except KeyError:
            raise UserNotFoundError from None

    def user_names(self) -> list[str]:
        """Return the names of the users, in order."""
        # The order of code points is that of UTF-8's bytes.
        return sorted(self._users)

    def add_user(self, name: str, password: bytes, *, has_password: bool) -> None:
        """
        Add a user, who has no role.

        Args:
            name: Anything but nothing.
            password: What bcrypt made of it.
            has_password: Whether it can log in with one; otherwise only its certificate can.

        Raises:
            EmptyUserError: If the name is empty.
            UserExistsError: If there is one of that name.
            RequestTooLargeError: If the name is longer than 511 bytes.

        """
        if not name:
            raise EmptyUserError
        if name in self._users:
            raise UserExistsError
        user = User(name=_raw(name))
        # They are there even if nothing is chosen. (etcd: UserAdd)
        user.options.SetInParent()
        if has_password:
            user.password = password
        else:
            user.options.no_password = True
        _check_length(name)
        self._put_user(user)
        self._changed()

    def delete_user(self, name: str) -> None:
        """
        Delete a user.

        Raises:
            InvalidAuthManagementError: If it is ``root``, and authentication is on.
            UserNotFoundError: If there is none of that name.

        """
        if self.is_enabled and name == ROOT:
            raise InvalidAuthManagementError
        self.user(name)
        del self._users[name]
        self._rights.pop(name, None)
        self._log.batch.puts[Bucket.AUTH_USERS, _raw(name)] = None
        self._changed()

    def change_password(self, name: str, password: bytes) -> None:
        """
        Change a password; a user without one stays without.

        Args:
            password: What bcrypt made of it; nobody can log in with an empty one.

        Raises:
            UserNotFoundError: If there is no user of that name.

        """
        user = _copy(self.user(name))
        user.password = b"" if user.options.no_password else password
        self._put_user(user)
        self._changed()

    def grant_role(self, name: str, role: str) -> None:
        """
        Grant a role to a user, who may have it already.

        Raises:
            UserNotFoundError: If there is no such user.
            RoleNotFoundError: If there is no such role; ``root`` need not be one.

        """
        user = _copy(self.user(name))
        if role != ROOT:
            self.role(role)
        if role in user.roles:
            return
        user.roles[:] = sorted([*user.roles, role])
        self._put_user(user)
        self._changed()

    def revoke_role(self, name: str, role: str) -> None:
        """
        Take a role from a user.

        Raises:
            InvalidAuthManagementError: If it is ``root``'s of ``root``, and authentication is on.
            UserNotFoundError: If there is no such user.
            RoleNotGrantedError: If it does not have the role.

        """
        if self.is_enabled and name == role == ROOT:
            raise InvalidAuthManagementError
        if role not in self.user(name).roles:
            raise RoleNotGrantedError
        self._take_role(name, role)
        self._changed()

    def _take_role(self, name: str, role: str) -> None:
        user = _copy(self._users[name])
        user.roles.remove(role)
        self._put_user(user)

    def _put_user(self, user: User) -> None:
        name = _text(user.name)
        self._users[name] = user
        self._rights.pop(name, None)
        self._log.batch.puts[Bucket.AUTH_USERS, user.name] = user.SerializeToString()

    # --------------------------------------------------------------------- roles

    def role(self, name: str) -> Role:
        """
        Return a role, which is not to be changed.

        Raises:
            RoleNotFoundError: If there is none of that name.

        """
        try:
            return self._roles[name]
        except KeyError:
            raise RoleNotFoundError from None

    def role_names(self) -> list[str]:
        """Return the names of the roles, in order."""
        return sorted(self._roles)

    def add_role(self, name: str) -> None:
        """
        Add a role, which permits nothing.

        Raises:
            EmptyRoleError: If the name is empty.
            RoleExistsError: If there is one of that name.
            RequestTooLargeError: If the name is longer than 511 bytes.

        """
        if not name:
            raise EmptyRoleError
        if name in self._roles:
            raise RoleExistsError
        _check_length(name)
        self._roles[name] = role = Role(name=_raw(name))
        self._put_role(role)
        self._changed()

    def without_role(self, name: str) -> Steps[list[Changed]]:
        """Return what users would be without a role, in slices: very many may have it."""
        changed: list[Changed] = []
        work = Work()
        for user in list(self._users_with(name)):
            before = self._users.get(user)
            if before is not None and name in before.roles:
                after = _copy(before)
                after.roles.remove(name)
                changed.append(Changed(user, before, after, after.SerializeToString()))
            yield from work.add(_USER_WORK)
        return changed

    def delete_role(self, name: str, changed: Iterable[Changed] = ()) -> None:
        """
        Delete a role, and take it from all who have it.

        Args:
            name: Of the role.
            changed: What ``without_role`` has returned; users may have changed since.

        Raises:
            InvalidAuthManagementError: If it is ``root``, and authentication is on.
            RoleNotFoundError: If there is none of that name.

        """
        if self.is_enabled and name == ROOT:
            raise InvalidAuthManagementError
        self.role(name)
        del self._roles[name]
        self._forget_keys(name)
        users, puts = self._users, self._log.batch.puts
        puts[Bucket.AUTH_ROLES, _raw(name)] = None
        for user, before, after, row in changed:
            if users.get(user) is before:
                users[user] = after
                puts[Bucket.AUTH_USERS, after.name] = row
        for user in self._users_with(name):
            self._take_role(user, name)
        self._changed()

    def _users_with(self, role: str) -> Iterator[str]:
        return iter([name for name, user in self._users.items() if role in user.roles])

    def grant_permission(self, role: str, permission: Permission) -> None:
        """
        Let a role do something with some keys.

        Raises:
            InvalidAuthManagementError: If the permission is for no keys.
            RoleNotFoundError: If there is no such role.

        """
        if not is_valid(permission):
            raise InvalidAuthManagementError
        changed = self.role(role)
        granted, key = changed.keyPermission, permission.key
        place = bisect_left(granted, key, key=_key_of)
        # Only the first of those for one key is looked at, so what is granted again can be there
        # twice. (etcd: RoleGrantPermission)
        if place < len(granted) and _are_of_same_keys(granted[place], permission):
            if granted[place].permType != permission.permType:
                granted[place].permType = permission.permType
                self._forget_keys(role)
        else:
            granted.insert(bisect_right(granted, key, key=_key_of), permission)
            # There may be thousands: what they permit is not found out again for one more.
            if role not in self._keys or self._keys[role].grant(permission):
                self._rights.clear()
        self._put_role(changed)
        self._changed()

    def revoke_permission(self, role: str, key: bytes, range_end: bytes) -> None:
        """
        Take back all that a role may do with exactly these keys.

        Raises:
            RoleNotFoundError: If there is no such role.
            PermissionNotGrantedError: If it may do nothing with them.

        """
        changed = self.role(role)
        granted = changed.keyPermission
        found = [
            place
            for place, one in enumerate(granted)
            if one.key == key and one.range_end == range_end
        ]
        if not found:
            raise PermissionNotGrantedError
        for place in reversed(found):
            del granted[place]
        self._forget_keys(role)
        self._put_role(changed)
        self._changed()

    def _forget_keys(self, role: str) -> None:
        self._keys.pop(role, None)
        self._rights.clear()

    def _put_role(self, role: Role) -> None:
        self._log.batch.puts[Bucket.AUTH_ROLES, role.name] = role.SerializeToString()

    def _changed(self) -> None:
        """Count a change."""
        self.revision += 1
        self._log.batch.puts[Bucket.AUTH, _REVISION] = _U64.pack(self.revision)
        self._log.flush_soon()


def _text(name: bytes) -> str:
    # Names are valid UTF-8 on every wire; what a foreign store has need not be.
    return name.decode("utf-8", "surrogateescape")


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _check_length(name: str) -> None:
    if len(_raw(name)) > _MAX_NAME:
        raise RequestTooLargeError


def _are_of_same_keys(one: Permission, other: Permission) -> bool:
    return one.key == other.key and one.range_end == other.range_end


def _key_of(permission: Permission) -> bytes:
    return permission.key


def _copy(user: User) -> User:
    copy = User()
    copy.CopyFrom(user)
    return copy
