"""Messages of every type that etcd's services take and give, with anything in them."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from etcdpy.http.json_fields import RANGES, fields_of, message_type_of
from etcdpy.pb import rpc_pb2, v3election_pb2, v3lock_pb2

#: How deep messages are in one another.
DEPTH = 4


def _all_types() -> list[type[Message]]:
    services = [
        service
        for file in (rpc_pb2, v3lock_pb2, v3election_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    kinds = {
        GetMessageClass(kind).DESCRIPTOR.full_name: GetMessageClass(kind)
        for service in services
        for method in service.methods
        for kind in (method.input_type, method.output_type)
    }
    return [kinds[name] for name in sorted(kinds)]


MESSAGES = _all_types()


def random_message(random: Random, kind: type[Message], depth: int = DEPTH) -> Any:
    """Return a message with some of its fields set, those in it included."""
    message: Any = kind()
    for field in fields_of(kind):
        inner = message_type_of(field)
        if random.random() < 0.4 or (inner is not None and not depth):
            continue
        if field.is_repeated:
            count = random.randrange(4)
            items = [_value(random, field, inner, depth) for _ in range(count)]
            getattr(message, field.name).extend(items)
        elif inner is not None:
            getattr(message, field.name).CopyFrom(_value(random, field, inner, depth))
        else:
            setattr(message, field.name, _value(random, field, inner, depth))
    return message


def _value(random: Random, field: FieldDescriptor, inner: type[Message] | None, depth: int) -> Any:
    if inner is not None:
        return random_message(random, inner, depth - 1)
    if field.enum_type is not None:
        return random.choice(field.enum_type.values).number
    if field.type in RANGES:
        least, most = RANGES[field.type]
        return random.choice([0, 1, least, most, random.randint(least, most)])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.choice([b"a", b"b", b"c", random.randbytes(random.randrange(6))])
    letters = 'ab"\\/\n\t\x00\x1f\x7fé\u2028\U0001f600'
    return "".join(random.choices(letters, k=random.randrange(6)))
