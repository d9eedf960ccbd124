"""What is looked for in an audit log: pure, an entry in, what it has of it out."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Found", "Keys", "Query"]

#: The end of a range that goes on to the last key there can be, as etcd writes it.
_TO_THE_END = b"\0"
#: What changes keys.
_CHANGES = ("put", "delete")


class Keys(NamedTuple):
    """
    The keys of [start, stop); of all from ``start`` on if that is None.

    Those of a key that was cut are all that it may have been.
    """

    start: bytes
    stop: bytes | None

    @classmethod
    def one(cls, key: bytes) -> Keys:
        """Return a single key."""
        return cls(key, key + b"\0")

    @classmethod
    def below(cls, prefix: bytes) -> Keys:
        """Return all keys that begin with a prefix."""
        kept = prefix.rstrip(b"\xff")
        return cls(prefix, kept[:-1] + bytes([kept[-1] + 1]) if kept else None)

    @classmethod
    def of(cls, op: Mapping[str, Any]) -> Keys:
        """Return those of an operation of a line."""
        start, end = _bytes(op, "key"), _bytes(op, "range_end")
        if not end:
            return cls.below(start) if "key_bytes" in op else cls.one(start)
        if end == _TO_THE_END:
            return cls(start, None)
        return cls(start, cls.below(end).stop if "range_end_bytes" in op else end)

    def meets(self, other: Keys) -> bool:
        """Tell whether both have a key in common."""
        return (other.stop is None or self.start < other.stop) and (
            self.stop is None or other.start < self.stop
        )


def _bytes(op: Mapping[str, Any], name: str) -> bytes:
    encoded = op.get(f"{name}_base64")
    return str(op.get(name, "")).encode() if encoded is None else b64decode(encoded)


class Found(NamedTuple):
    """
    What an entry has of what is looked for.

    Attributes:
        ops: Its operations on the keys; all of them if no keys are looked for.
        is_doubtful: Whether it had more operations than it lists, which may have been on them.

    """

    ops: list[Mapping[str, Any]]
    is_doubtful: bool


@dataclass(frozen=True)
class Query:
    """
    What is looked for.

    Attributes:
        keys: Entries about these; None for all.
        since: A moment as the log writes them; only entries of then or later.
        user: Only entries of this user.
        refused: Refusals too, and whatever they were about.

    """

    keys: Keys | None = None
    since: str = ""
    user: str | None = None
    refused: bool = False

    def find(self, entry: Mapping[str, Any]) -> Found | None:
        """Return what an entry has, None if it is not looked for."""
        if entry["ts"] < self.since or (self.user is not None and entry.get("user") != self.user):
            return None
        is_refusal = entry.get("code") != "OK"
        if is_refusal and not self.refused:
            return None
        ops = [op for op in entry.get("ops", ()) if is_refusal or _has_changed(op)]
        if self.keys is None:
            return Found(ops, False)
        ops = list(self._on_keys(ops))
        is_doubtful = not ops and "ops_cut" in entry
        return Found(ops, is_doubtful) if ops or is_doubtful else None

    def _on_keys(self, ops: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        assert self.keys is not None
        for op in ops:
            if self.keys.meets(Keys.of(op)):
                yield op


def _has_changed(op: Mapping[str, Any]) -> bool:
    # A deletion may have found nothing to delete.
    return op.get("op") in _CHANGES and op.get("deleted") != 0
