"""Which lease each key hangs on, and which keys each lease takes with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable


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

    def detach_all(self, keys: Iterable[bytes]) -> None:
        """Take keys off whatever leases they hang on."""
        leases, keys_of = self.leases, self._keys
        for key in keys:
            lease = leases.pop(key, 0)
            if lease:
                others = keys_of[lease]
                others.remove(key)
                if not others:
                    del keys_of[lease]
