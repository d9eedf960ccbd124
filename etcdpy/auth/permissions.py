"""
What a user may read and write: the permissions of its roles, put together.

A permission is for a key, or for the keys from one on and up to another. Those of all roles
are merged, so that a range may be covered by several of them::

    READ [a, c)  READ [c, e)  WRITE x        reads   [a, e)
                                             writes  [x, x\\0)

(etcd: ``server/auth/range_perm_cache.go``, which has an interval tree for each user)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from etcdpy.pb.auth_pb2 import Permission, Role

__all__ = ["ROOT", "KeySet", "Rights", "is_valid", "rights_of"]

#: The role whose users may do everything, and the user that has to have it.
ROOT: Final = "root"

#: As the end of a range: there is none. (etcd: ``isOpenEnded``)
_OPEN: Final = b"\0"


class KeySet:
    """
    Keys, as ranges that neither overlap nor touch, in their order.

    Args:
        ranges: From each key up to, and without, another; None for an end that is open. They may
            overlap. Those that are empty have no keys.

    """

    __slots__ = ("_begins", "_ends")

    def __init__(self, ranges: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._begins: list[bytes] = []
        self._ends: list[bytes | None] = []
        for begin, end in sorted(ranges, key=lambda keys: keys[0]):
            if end is not None and end <= begin:
                continue
            if not self._ends or not _reaches(self._ends[-1], begin):
                self._begins.append(begin)
                self._ends.append(end)
            elif not _reaches(self._ends[-1], end):
                self._ends[-1] = end

    def __contains__(self, key: bytes) -> bool:
        # Fast path (bench: range/100x1, put/100x1): asked for each key, with authentication on.
        place = bisect_right(self._begins, key)
        if not place:
            return False
        end = self._ends[place - 1]
        return end is None or key < end

    def covers(self, key: bytes, range_end: bytes) -> bool:
        """
        Return whether all keys are in the set that a request names.

        Args:
            key: The first.
            range_end: As requests have it: empty for that key alone, a zero byte for all from it
                on. Of a range that is empty the first key has to be in the set.

        """
        place = bisect_right(self._begins, key)
        if not place:
            return False
        end = self._ends[place - 1]
        if end is None:
            return True
        if range_end == _OPEN:
            return False
        return key < end and range_end <= end


def _reaches(end: bytes | None, key: bytes | None) -> bool:
    """Return whether a range with this end goes up to ``key``, or touches what begins there."""
    return end is None or (key is not None and end >= key)


class Rights:
    """
    What one user may do.

    Attributes:
        is_root: Whether it may do everything.
        reads: The keys that it may read.
        writes: The keys that it may write.

    """

    __slots__ = ("is_root", "reads", "writes")

    def __init__(self, is_root: bool, reads: KeySet, writes: KeySet) -> None:
        self.is_root = is_root
        self.reads = reads
        self.writes = writes


def rights_of(role_names: Iterable[str], roles: Iterable[Role]) -> Rights:
    """
    Put together what a user may do.

    Args:
        role_names: The roles that it was granted; that there is no role ``root`` takes nothing
            from who was granted it.
        roles: Those of them that there are.

    """
    permissions = [permission for role in roles for permission in role.keyPermission]
    return Rights(
        ROOT in role_names,
        _key_set(permissions, (Permission.READ, Permission.READWRITE)),
        _key_set(permissions, (Permission.WRITE, Permission.READWRITE)),
    )


def _key_set(permissions: list[Permission], kinds: tuple[int, ...]) -> KeySet:
    return KeySet(_bounds(permission) for permission in permissions if permission.permType in kinds)


def _bounds(permission: Permission) -> tuple[bytes, bytes | None]:
    key, range_end = permission.key, permission.range_end
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == _OPEN else range_end


def is_valid(permission: Permission) -> bool:
    """Return whether a permission is for any keys. (etcd: ``isValidPermissionRange``)"""
    key, range_end = permission.key, permission.range_end
    return bool(key) and (not range_end or range_end == _OPEN or key < range_end)
