"""
What a user may read and write: the permissions of its roles, put together.

A permission is for a key, or for the keys from one on and up to another. Those of all roles
are merged, so that a range may be covered by several of them::

    READ [a, c)  READ [c, e)  WRITE x        reads   [a, e)
                                             writes  [x, x\\0)

What each role permits is kept, as a change is of one of them, and most users have one.

(etcd: ``server/auth/range_perm_cache.go``, which has an interval tree for each user)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, compress, repeat, zip_longest
from operator import and_, itemgetter, not_
from typing import Final

from etcdpy.pb.auth_pb2 import Permission

__all__ = ["ROOT", "KeySet", "Rights", "RoleKeys", "is_valid", "rights_of"]

#: The role whose users may do everything, and the user that has to have it.
ROOT: Final = "root"

#: As the end of a range: there is none. (etcd: ``isOpenEnded``)
_OPEN: Final = b"\0"

_READING: Final = (Permission.READ, Permission.READWRITE)
_WRITING: Final = (Permission.WRITE, Permission.READWRITE)


class KeySet:
    """
    Keys, as ranges that neither overlap nor touch, in their order.

    Args:
        ranges: From each key up to, and without, another; None for an end that is open. They may
            overlap. Those that are empty have no keys.

    """

    __slots__ = ("_bounds",)

    def __init__(self, ranges: Iterable[tuple[bytes, bytes | None]]) -> None:
        # Where each range begins and where it ends, in turns; an open end is not there.
        self._bounds: list[bytes] = []
        bounds = self._bounds
        for begin, end in sorted(ranges, key=itemgetter(0)):
            if end is not None and end <= begin:
                continue
            if len(bounds) % 2:  # it is open
                break
            if not bounds or bounds[-1] < begin:
                bounds.append(begin)
                if end is not None:
                    bounds.append(end)
            elif end is None:
                bounds.pop()
            elif bounds[-1] < end:
                bounds[-1] = end

    def __contains__(self, key: bytes) -> bool:
        # Fast path (bench: range/100x1, put/100x1): asked for each key, with authentication on.
        return bisect_right(self._bounds, key) % 2 == 1

    def covers(self, key: bytes, range_end: bytes) -> bool:
        """
        Return whether all keys are in the set that a request names.

        Args:
            key: The first.
            range_end: As requests have it: empty for that key alone, a zero byte for all from it
                on. Of a range that is empty the first key has to be in the set.

        """
        bounds = self._bounds
        place = bisect_right(bounds, key)
        if not place % 2:
            return False
        return place == len(bounds) or (range_end != _OPEN and range_end <= bounds[place])

    def lacking(self, keys: Collection[bytes]) -> Iterator[bytes]:
        """Return those of some keys that are not in the set; all in C, as there may be many."""
        places = map(bisect_right, repeat(self._bounds), keys)
        return compress(keys, map(not_, map(and_, places, repeat(1))))

    def with_range(self, begin: bytes, end: bytes | None) -> KeySet:
        """Return the set with one range more; itself if it has all of that already."""
        if end is not None and end <= begin:
            return self
        bounds = self._bounds
        first = bisect_left(bounds, begin)
        last = len(bounds) if end is None else bisect_right(bounds, end)
        # Ranges that it touches become one with it.
        between: list[bytes] = []
        if not first % 2:
            between.append(begin)
        if end is not None and not last % 2:
            between.append(end)
        if bounds[first:last] == between:
            return self
        larger = KeySet(())
        larger._bounds = [*bounds[:first], *between, *bounds[last:]]
        return larger

    def joined(self, others: Iterable[KeySet]) -> KeySet:
        """Return the set with the keys of others; itself if they have none."""
        ranges = [keys.ranges() for keys in others if keys._bounds]
        return KeySet(chain(self.ranges(), *ranges)) if ranges else self

    def ranges(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Return the ranges, in order."""
        return zip_longest(self._bounds[::2], self._bounds[1::2])


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


class RoleKeys:
    """
    What one role permits.

    Args:
        permissions: All that it was granted.

    Attributes:
        reads: The keys that may be read.
        writes: The keys that may be written.

    """

    __slots__ = ("reads", "writes")

    def __init__(self, permissions: Iterable[Permission] = ()) -> None:
        reads: list[tuple[bytes, bytes | None]] = []
        writes: list[tuple[bytes, bytes | None]] = []
        for permission in permissions:
            kind, keys = permission.permType, _bounds(permission)
            if kind in _READING:
                reads.append(keys)
            if kind in _WRITING:
                writes.append(keys)
        self.reads = KeySet(reads)
        self.writes = KeySet(writes)

    def grant(self, permission: Permission) -> bool:
        """Permit one thing more; return whether any of that was not permitted already."""
        reads, writes, (begin, end) = self.reads, self.writes, _bounds(permission)
        if permission.permType in _READING:
            self.reads = reads.with_range(begin, end)
        if permission.permType in _WRITING:
            self.writes = writes.with_range(begin, end)
        return self.reads is not reads or self.writes is not writes


def rights_of(role_names: Iterable[str], roles: Sequence[RoleKeys]) -> Rights:
    """
    Put together what a user may do.

    Args:
        role_names: The roles that it was granted; that there is no role ``root`` takes nothing
            from who was granted it.
        roles: What those of them permit that there are.

    """
    first, others = (roles[0], roles[1:]) if roles else (RoleKeys(), ())
    return Rights(
        ROOT in role_names,
        first.reads.joined(role.reads for role in others),
        first.writes.joined(role.writes for role in others),
    )


def _bounds(permission: Permission) -> tuple[bytes, bytes | None]:
    key, range_end = permission.key, permission.range_end
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == _OPEN else range_end


def is_valid(permission: Permission) -> bool:
    """Return whether a permission is for any keys. (etcd: ``isValidPermissionRange``)"""
    key, range_end = permission.key, permission.range_end
    return bool(key) and (not range_end or range_end == _OPEN or key < range_end)
