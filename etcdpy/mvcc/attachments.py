"""Which lease each key hangs on, and which keys each lease takes with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice, repeat
from typing import Final, Protocol

ANY: Final = 0
"""Stands for all leases."""

FEW: Final = 64
"""Keys that are looked at each time."""

MOST_OUTSIDE: Final = 256
"""Keys outside of a set that are known by name."""

MOST_SETS: Final = 8
"""Sets remembered for one lease: those that two or more users may read, and write."""


class KeySet(Protocol):
    """Keys, always the same ones."""

    def __contains__(self, key: bytes) -> bool:
        """Tell whether one is in it."""

    def lacking(self, keys: Collection[bytes]) -> Iterator[bytes]:
        """Return those of many that are not in it, without a look-up in Python for each."""


class _Inside:
    """
    Whether the keys of a lease are in a set, as they come and go.

    Args:
        allowed: The set.
        keys: Those of the lease.

    """

    __slots__ = ("_allowed", "_has_more", "_outside")

    def __init__(self, allowed: KeySet, keys: Collection[bytes]) -> None:
        self._allowed = allowed
        # Those that are not in the set, or some of them, though they may have gone.
        self._outside: set[bytes] = set()
        self._has_more = False
        self._look(keys)

    def _look(self, keys: Collection[bytes]) -> None:
        outside = list(islice(self._allowed.lacking(keys), MOST_OUTSIDE + 1))
        self._outside = set(outside[:MOST_OUTSIDE])
        self._has_more = len(outside) > MOST_OUTSIDE

    def note(self, key: bytes) -> None:
        """Note that a key has come."""
        if key not in self._allowed:
            if len(self._outside) < MOST_OUTSIDE:
                self._outside.add(key)
            else:
                self._has_more = True

    def are_all(self, keys: Collection[bytes]) -> bool:
        """Tell whether all are in it, given those that there are now."""
        if not self._outside:
            return True
        self._outside = {key for key in self._outside if key in keys}
        if not self._outside and self._has_more:
            self._look(keys)
        return not self._outside


class Attachments:
    """
    The relation between keys and leases; a key has at most one lease.

    (etcd: server/lease/lessor.go, itemMap and itemSet)

    Attributes:
        leases: The lease of each key that has one; read only.

    """

    __slots__ = ("_inside", "_keys", "leases")

    def __init__(self) -> None:
        self.leases: dict[bytes, int] = {}
        self._keys: dict[int, set[bytes]] = {}
        # What was asked of leases that have many keys.
        self._inside: dict[int, dict[KeySet, _Inside]] = {}

    def lease_of(self, key: bytes) -> int:
        """Return the lease ``key`` hangs on, 0 for none."""
        return self.leases.get(key, 0)

    def on(self, lease: int) -> Collection[bytes]:
        """Return the keys that hang on ``lease``, to be looked at before anything changes."""
        return self._keys.get(lease, ())

    def are_in(self, allowed: KeySet, lease: int) -> bool:
        """
        Tell whether all keys that hang on ``lease``, or on ``ANY``, are in a set.

        There may be a hundred thousand, and it may be asked with each renewal: all of them are
        looked at the first time alone.
        """
        keys: Collection[bytes] = self._keys.get(lease, ()) if lease else self.leases
        if len(keys) <= FEW:
            return all(key in allowed for key in keys)
        known = self._inside.setdefault(lease, {})
        # The sets that were asked for lately come last.
        inside = known.pop(allowed, None) or _Inside(allowed, keys)
        known[allowed] = inside
        if len(known) > MOST_SETS:
            del known[next(iter(known))]
        return inside.are_all(keys)

    def attach(self, key: bytes, lease: int) -> None:
        """Hang ``key`` on ``lease`` and on no other; lease 0 only takes it off."""
        old = self.leases.get(key, 0)
        if old == lease:
            return
        if old:
            keys = self._keys[old]
            keys.discard(key)
            if not keys:
                self._forget(old)
        if lease:
            self.leases[key] = lease
            self._keys.setdefault(lease, set()).add(key)
            if self._inside:
                self._note(key, lease)
        else:
            del self.leases[key]

    def detach(self, key: bytes) -> None:
        """Take ``key`` off whatever lease it hangs on."""
        self.attach(key, 0)

    def detach_all(self, keys: list[bytes]) -> None:
        """Take keys off whatever leases they hang on."""
        keys_of = self._keys
        of = list(map(self.leases.pop, keys, repeat(0)))
        leases = set(of)
        leases.discard(0)
        if len(leases) == 1:
            # What a revoked lease takes with it: in C.
            keys_of[next(iter(leases))].difference_update(keys)
        else:
            for key, lease in zip(keys, of, strict=True):
                if lease:
                    keys_of[lease].remove(key)
        for lease in leases:
            if not keys_of[lease]:
                self._forget(lease)

    def _note(self, key: bytes, lease: int) -> None:
        for asked in (lease, ANY):
            for inside in self._inside.get(asked, {}).values():
                inside.note(key)

    def _forget(self, lease: int) -> None:
        """Forget a lease that has no keys."""
        del self._keys[lease]
        self._inside.pop(lease, None)
