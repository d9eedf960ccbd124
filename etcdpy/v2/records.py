"""
What is written of the tree: rows of a bucket of its own (``storage.buckets``, ``V2``).

There is a row for each node and one for each of the last events, which go round in a ring; integers
are big-endian, texts UTF-8, and bytes that are none stay as they are::

    n<u64 id>            u64 parent | u64 created | u64 modified | u64 expires | u8 kind
                         | u32 length of the name | name | value
    e<u16 index % 1000>  u64 index | u64 last id | u8 flags | u8 length of the action
                         | u32 length of the key | action | key | line

``expires`` is 0 for never. A kind is a bit for a directory. The flags are ``REFRESH`` and
``REMOVES_DIRECTORY``. The newest event knows the index, and the highest id that was given.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from etcdpy.v2.events import Event
from etcdpy.v2.history import CAPACITY
from etcdpy.v2.node import Node

__all__ = [
    "EVENT",
    "NODE",
    "StoredEvent",
    "decode_event",
    "decode_node",
    "encode_event",
    "encode_node",
    "event_key",
    "node_key",
]

#: What the keys of rows begin with.
NODE: Final = b"n"
EVENT: Final = b"e"

_DIRECTORY: Final = 1

_REFRESH: Final = 1
_REMOVES_DIRECTORY: Final = 2

_NODE_KEY: Final = Struct(">cQ")
_NODE: Final = Struct(">QQQQBI")
_EVENT_KEY: Final = Struct(">cH")
_EVENT: Final = Struct(">QQBBI")


class StoredEvent(NamedTuple):
    """
    A row of an event.

    Attributes:
        event: The same.
        last_id: The highest id that a node had been given by then.

    """

    event: Event
    last_id: int


def node_key(node_id: int) -> bytes:
    """Return the key of a node's row."""
    return _NODE_KEY.pack(NODE, node_id)


def encode_node(node: Node) -> bytes:
    """Return the row of a node; ``decode_node`` is the reverse."""
    name = node.name.encode("utf-8", "surrogateescape")
    head = _NODE.pack(
        node.parent_id,
        node.created,
        node.modified,
        node.expires or 0,
        _DIRECTORY if node.is_directory else 0,
        len(name),
    )
    return head + name + node.value.encode("utf-8", "surrogateescape")


def decode_node(key: bytes, row: bytes) -> Node:
    """Return the node of a row. (Children are found by their own.)"""
    _, node_id = _NODE_KEY.unpack(key)
    parent_id, created, modified, expires, kind, length = _NODE.unpack_from(row)
    end = _NODE.size + length
    name = row[_NODE.size : end].decode("utf-8", "surrogateescape")
    value = None if kind & _DIRECTORY else row[end:].decode("utf-8", "surrogateescape")
    return Node(node_id, parent_id, name, value, created, modified, expires or None)


def event_key(index: int) -> bytes:
    """Return the key of an event's row: that of the event which it takes the place of."""
    return _EVENT_KEY.pack(EVENT, index % CAPACITY)


def encode_event(event: Event, last_id: int) -> bytes:
    """Return the row of an event; ``decode_event`` is the reverse."""
    action = event.action.encode()
    key = event.key.encode("utf-8", "surrogateescape")
    flags = event.is_refresh * _REFRESH | event.removes_directory * _REMOVES_DIRECTORY
    head = _EVENT.pack(event.index, last_id, flags, len(action), len(key))
    return b"".join((head, action, key, event.line))


def decode_event(row: bytes) -> StoredEvent:
    """Return the event of a row."""
    index, last_id, flags, action_length, key_length = _EVENT.unpack_from(row)
    key_at = _EVENT.size + action_length
    line_at = key_at + key_length
    event = Event.restored(
        row[_EVENT.size : key_at].decode(),
        index,
        row[key_at:line_at].decode("utf-8", "surrogateescape"),
        row[line_at:],
        is_refresh=bool(flags & _REFRESH),
        removes_directory=bool(flags & _REMOVES_DIRECTORY),
    )
    return StoredEvent(event, last_id)
