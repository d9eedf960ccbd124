"""
Events: rows of the store as watchers are told of them.

An event is encoded once, as the field of a WatchResponse it travels in, however many
watchers it goes to:

    5a <length>  [08 01]  12 <length> <KeyValue>  [1a <length> <previous KeyValue>]
    events = 11   DELETE   kv = 2                   prev_kv = 3
"""

from __future__ import annotations

from struct import Struct

from etcdpy.mvcc.revision import ROW_KEY_LENGTH
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.wire import delimited

_DELETE = b"\x08\x01"
_MAIN = Struct(">Q").unpack_from


class Event:
    """
    One change of one key.

    Attributes:
        key: The key.
        main: The revision of the change.
        is_delete: Whether the key was deleted.
        is_create: Whether the key did not exist before.

    """

    __slots__ = (
        "_decoded",
        "_kv",
        "_plain",
        "_with_previous",
        "is_create",
        "is_delete",
        "key",
        "main",
    )

    def __init__(self, row_key: bytes, row: bytes) -> None:
        kv = KeyValue.FromString(row)
        self.main: int = _MAIN(row_key)[0]
        self.key = kv.key
        self.is_delete = len(row_key) != ROW_KEY_LENGTH
        self.is_create = kv.version == 1
        if self.is_delete:
            kv = KeyValue(key=kv.key, mod_revision=self.main)
            self._kv = _DELETE + delimited(2, kv.SerializeToString())
        else:
            self._kv = delimited(2, row)
        self._decoded = kv
        self._plain: bytes | None = None
        self._with_previous: bytes | None = None

    def kv(self) -> KeyValue:
        """Return what the key holds now, or the key alone if it was deleted."""
        return self._decoded

    def field(self) -> bytes:
        """Return the event as a field of a WatchResponse."""
        if self._plain is None:
            self._plain = delimited(11, self._kv)
        return self._plain

    def field_with_previous(self, store: Store) -> bytes:
        """
        Return the same with what the key held before, as far as the store still knows.

        A create event has none, nor has one whose preceding revision is compacted away.
        """
        if self._with_previous is None:
            before = self.main - 1
            previous = None
            if not self.is_create and before >= store.compact_revision:
                previous = store.get(self.key, before)
            if previous is None:
                self._with_previous = self.field()
            else:
                self._with_previous = delimited(11, self._kv + delimited(3, previous))
        return self._with_previous
