"""Which lease each key hangs on, and which keys each lease takes with it."""

from __future__ import annotations


class Attachments:
    """The relation between keys and leases; a key has at most one lease."""

    __slots__ = ("_keys", "_leases")

    def __init__(self) -> None:
        self._leases: dict[bytes, int] = {}
        self._keys: dict[int, set[bytes]] = {}

    def __bool__(self) -> bool:
        """Tell whether any key has a lease."""
        return bool(self._leases)

    def lease_of(self, key: bytes) -> int:
        """Return the lease ``key`` hangs on, 0 for none."""
        return self._leases.get(key, 0)

    def keys_of(self, lease: int) -> set[bytes]:
        """Return the keys that hang on ``lease``."""
        return set(self._keys.get(lease, ()))

    def attach(self, key: bytes, lease: int) -> None:
        """Hang ``key`` on ``lease`` and on no other; lease 0 only takes it off."""
        old = self._leases.get(key, 0)
        if old == lease:
            return
        if old:
            keys = self._keys[old]
            keys.discard(key)
            if not keys:
                del self._keys[old]
        if lease:
            self._leases[key] = lease
            self._keys.setdefault(lease, set()).add(key)
        else:
            del self._leases[key]

    def detach(self, key: bytes) -> None:
        """Take ``key`` off whatever lease it hangs on."""
        self.attach(key, 0)
