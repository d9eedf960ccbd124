"""
Operations of a long transaction, as plain objects.

A message of protobuf's is looked up by its place in memory, in a table that holds all there are in
the process and is never made smaller: with a transaction of a hundred thousand operations that is
six megabytes for good. So messages are read one after the other, and what is kept has their fields.
"""

from __future__ import annotations

from typing import Any, ClassVar

from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest, RangeRequest

__all__ = ["PlainDelete", "PlainOp", "PlainPut", "PlainRange"]


class PlainOp:
    """What a request says, under the same names."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    _kind: ClassVar[Any]

    def message(self) -> Any:
        """Return the request as a message."""
        return self._kind(**{name: getattr(self, name) for name in self.__slots__})

    def ByteSize(self) -> int:  # noqa: N802 - as messages have it
        """Return how many bytes the message has."""
        return int(self.message().ByteSize())


class PlainPut(PlainOp):
    """A PutRequest."""

    __slots__ = ("ignore_lease", "ignore_value", "key", "lease", "prev_kv", "value")

    _kind = PutRequest

    def __init__(self, request: PutRequest) -> None:
        self.key = request.key
        self.value = request.value
        self.lease = request.lease
        self.prev_kv = request.prev_kv
        self.ignore_value = request.ignore_value
        self.ignore_lease = request.ignore_lease


class PlainDelete(PlainOp):
    """A DeleteRangeRequest."""

    __slots__ = ("key", "prev_kv", "range_end")

    _kind = DeleteRangeRequest

    def __init__(self, request: DeleteRangeRequest) -> None:
        self.key = request.key
        self.range_end = request.range_end
        self.prev_kv = request.prev_kv


class PlainRange(PlainOp):
    """A RangeRequest."""

    __slots__ = (
        "count_only",
        "key",
        "keys_only",
        "limit",
        "max_create_revision",
        "max_mod_revision",
        "min_create_revision",
        "min_mod_revision",
        "range_end",
        "revision",
        "serializable",
        "sort_order",
        "sort_target",
    )

    _kind = RangeRequest

    def __init__(self, request: RangeRequest) -> None:
        self.key = request.key
        self.range_end = request.range_end
        self.limit = request.limit
        self.revision = request.revision
        self.sort_order = request.sort_order
        self.sort_target = request.sort_target
        self.serializable = request.serializable
        self.keys_only = request.keys_only
        self.count_only = request.count_only
        self.min_mod_revision = request.min_mod_revision
        self.max_mod_revision = request.max_mod_revision
        self.min_create_revision = request.min_create_revision
        self.max_create_revision = request.max_create_revision
