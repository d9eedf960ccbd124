"""What is in a type of message, as both readers of JSON and the writer need to know it."""

from __future__ import annotations

from typing import Final, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from etcdpy.pb.builder import class_of

__all__ = ["ABSENT", "RANGES", "fields_by_name", "fields_of", "message_type_of"]

#: Stands for the value of a field that is to be left as it is.
ABSENT: Final = object()

#: The least and the greatest whole number of each type that is one.
RANGES: Final = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


def fields_of(kind: type[Message]) -> list[FieldDescriptor]:
    """Return the fields of a type, in the order of the protocol."""
    # protobuf: its two implementations have classes of the same names.
    return [cast(FieldDescriptor, field) for field in kind.DESCRIPTOR.fields]


def fields_by_name(kind: type[Message]) -> dict[str, FieldDescriptor]:
    """Return the fields of a type by their names, of which each has two in JSON."""
    fields = _by_name.get(kind)
    if fields is None:
        fields = _by_name[kind] = {}
        for field in fields_of(kind):
            fields[field.name] = fields[field.json_name] = field
    return fields


_by_name: dict[type[Message], dict[str, FieldDescriptor]] = {}


def message_type_of(field: FieldDescriptor) -> type[Message] | None:
    """Return the type of messages that a field holds, None if it holds none."""
    return None if field.message_type is None else class_of(field.message_type)
