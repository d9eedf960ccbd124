"""Operations of long transactions say what their messages said."""

from __future__ import annotations

from typing import Any

import pytest

from etcdpy.mvcc.plain_ops import PlainDelete, PlainOp, PlainPut, PlainRange
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest, RangeRequest

KINDS: list[tuple[type[PlainOp], Any]] = [
    (PlainPut, PutRequest),
    (PlainDelete, DeleteRangeRequest),
    (PlainRange, RangeRequest),
]


def filled(kind: Any) -> Any:
    """Return a message in which each field has a value of its own."""
    message = kind()
    for number, field in enumerate(kind.DESCRIPTOR.fields, 1):
        value: object = number
        if field.type == field.TYPE_BYTES:
            value = field.name.encode()
        elif field.type == field.TYPE_BOOL:
            value = True
        elif field.enum_type is not None:
            value = 2
        setattr(message, field.name, value)
    return message


@pytest.mark.parametrize(("plain", "kind"), KINDS)
def test_every_field_is_kept(plain: Any, kind: Any) -> None:
    message = filled(kind)
    kept = plain(message)
    for field in kind.DESCRIPTOR.fields:
        assert getattr(kept, field.name) == getattr(message, field.name)
    assert kept.message() == message
    assert kept.ByteSize() == message.ByteSize() > 0


@pytest.mark.parametrize(("plain", "kind"), KINDS)
def test_empty_one_is_empty(plain: Any, kind: Any) -> None:
    assert plain(kind()).message() == kind()
    assert plain(kind()).ByteSize() == 0
