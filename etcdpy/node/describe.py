"""
Requests as etcd's log shows them: values by their size alone, for they may be secrets.

::

    key:"a" range_end:"b" limit:3
    compare:<result:GREATER target:MOD key:"k" mod_revision:0> success:<...> failure:<...>

What holds a value is in the notation of Go's old protobuf library (octal escapes, ``<>``, a
space at the end), everything else in that of the new one. (etcd: ``raft_internal_stringer.go``)

What a client can make as long as a request is cut off, which it is not in etcd: to describe a
megabyte of odd bytes takes seconds. ::

    key:"aaaaaaaa..."... (1400000 bytes)
    success:<request_put:<key:"a" > ... (87000 more)>
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from etcdpy.gostd.quoting import go_quote_hex, go_quote_octal
from etcdpy.mvcc.plain_ops import PlainOp, PlainPut
from etcdpy.mvcc.txn_request import PUT, TXN, Op, Txn
from etcdpy.pb.rpc_pb2 import Compare, PutRequest

__all__ = ["describe"]


MOST_QUOTED: Final = 1024
"""Bytes of a key that are shown, and then how many there are."""

MOST_SHOWN: Final = 16 << 10
"""Characters of the operations of a transaction that are shown, or little more."""


class _Room:
    """How many characters may still be shown of a transaction."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_SHOWN


def describe(request: Message | Txn) -> str:
    """Return a request in one line, without the values it may contain."""
    if isinstance(request, Txn):
        return _txn(request, _Room())
    return _put(request) if isinstance(request, PutRequest) else _message(request)


def _quoted(value: bytes, quote: Callable[[bytes], str]) -> str:
    if len(value) <= MOST_QUOTED:
        return quote(value)
    return f"{quote(value[:MOST_QUOTED])}... ({len(value)} bytes)"


def _put(request: PutRequest | PlainPut) -> str:
    parts = [f"key:{_quoted(request.key, go_quote_octal)}"] if request.key else []
    if request.value:
        parts.append(f"value_size:{len(request.value)}")
    parts += [
        f"{name}:{_number(getattr(request, name))}"
        for name in ("lease", "prev_kv", "ignore_value", "ignore_lease")
        if getattr(request, name)
    ]
    return "".join(f"{part} " for part in parts)


def _txn(request: Txn, room: _Room) -> str:
    compare = _some(request.compare, lambda one, _: _compare(one), room)
    success, failure = _some(request.success, _op, room), _some(request.failure, _op, room)
    return f"compare:<{compare}> success:<{success}> failure:<{failure}>"


def _some(items: Sequence[Any], shown: Callable[[Any, _Room], str], room: _Room) -> str:
    """Describe as many as there is room for."""
    texts: list[str] = []
    for number, item in enumerate(items):
        if room.left <= 0:
            texts.append(f"... ({len(items) - number} more)")
            break
        before = room.left
        texts.append(shown(item, room))
        # What is inside of it has taken its own room already.
        room.left = min(room.left, before - len(texts[-1]))
    return " ".join(texts)


def _compare(compare: Compare) -> str:
    if compare.WhichOneof("target_union") != "value":
        return _message(compare)
    parts = [
        f"{name}:{_enum(compare, name)}" for name in ("result", "target") if getattr(compare, name)
    ]
    if compare.key:
        parts.append(f"key:{_quoted(compare.key, go_quote_octal)}")
    if compare.value:
        parts.append(f"value_size:{len(compare.value)}")
    if compare.range_end:
        parts.append(f"range_end:{_quoted(compare.range_end, go_quote_octal)}")
    return "".join(f"{part} " for part in parts)


def _op(op: Op, room: _Room) -> str:
    kind, request = op
    if kind is None:
        return ""
    if kind == PUT:
        return f"{kind}:<{_put(request)}>"
    if kind == TXN:
        return f"{kind}:<{_txn(request, room)}>"
    message = request.message() if isinstance(request, PlainOp) else request
    return f"{kind}:{{{_message(message)}}}"


def _message(message: Message) -> str:
    return " ".join(f"{field.name}:{_value(field, value)}" for field, value in message.ListFields())


def _value(field: Any, value: Any) -> str:
    if isinstance(value, bytes):
        return _quoted(value, go_quote_hex)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        # A number that has no name is shown as it is, as Go does.
        return str(value) if known is None else str(known.name)
    return f"{{{_message(value)}}}" if isinstance(value, Message) else _number(value)


def _enum(message: Message, name: str) -> str:
    field = message.DESCRIPTOR.fields_by_name[name]
    return _value(field, getattr(message, name))


def _number(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
