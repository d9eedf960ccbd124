"""Which lease each key hangs on, and which keys each lease takes with it."""

from __future__ import annotations

from collections.abc import Collection


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

    def keys_of(self, lease: int) -> set[bytes]:
        """Return the keys that hang on ``lease``."""
        return set(self._keys.get(lease, ()))

    def on(self, lease: int) -> Collection[bytes]:
        """Return the same, to be looked at before anything changes."""
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
