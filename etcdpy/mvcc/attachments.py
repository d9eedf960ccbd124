"""Which lease each key hangs on, and which keys each lease takes with it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import repeat


class Attachments:
    """
    The relation between keys and leases; a key has at most one lease.

    (etcd: server/lease/lessor.go, itemMap and itemSet)

    Attributes:
        leases: The lease of each key that has one; read only.

    """

    __slots__ = ("_keys", "leases")

    def __init__(self) -> None:
        self.leases: dict[bytes, int] = {}
        self._keys: dict[int, set[bytes]] = {}

    def lease_of(self, key: bytes) -> int:
        """Return the lease ``key`` hangs on, 0 for none."""
        return self.leases.get(key, 0)

    def on(self, lease: int) -> Collection[bytes]:
        """Return the keys that hang on ``lease``, to be looked at before anything changes."""
        return self._keys.get(lease, ())

    def attach(self, key: bytes, lease: int) -> None:
        """Hang ``key`` on ``lease`` and on no other; lease 0 only takes it off."""
        old = self.leases.get(key, 0)
        if old == lease:
            return
        if old:
            keys = self._keys[old]
            keys.discard(key)
            if not keys:
                del self._keys[old]
        if lease:
            self.leases[key] = lease
            self._keys.setdefault(lease, set()).add(key)
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
                del keys_of[lease]
