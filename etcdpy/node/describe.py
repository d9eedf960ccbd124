"""
Requests as etcd's log shows them: values by their size alone, for they may be secrets.

::

    key:"a" range_end:"b" limit:3
    compare:<result:GREATER target:MOD key:"k" mod_revision:0> success:<...> failure:<...>

What holds a value is in the notation of Go's old protobuf library (octal escapes, ``<>``, a
space at the end), everything else in that of the new one. (etcd: ``raft_internal_stringer.go``)
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from etcdpy.gostd.quoting import go_quote_hex, go_quote_octal
from etcdpy.mvcc.txn_request import PUT, TXN, Op, Txn
from etcdpy.pb.rpc_pb2 import Compare, PutRequest

__all__ = ["describe"]


def describe(request: Message | Txn) -> str:
    """Return a request in one line, without the values it may contain."""
    if isinstance(request, Txn):
        return _txn(request)
    return _put(request) if isinstance(request, PutRequest) else _message(request)


def _put(request: PutRequest) -> str:
    parts = [f"key:{go_quote_octal(request.key)}"] if request.key else []
    if request.value:
        parts.append(f"value_size:{len(request.value)}")
    parts += [
        f"{name}:{_number(getattr(request, name))}"
        for name in ("lease", "prev_kv", "ignore_value", "ignore_lease")
        if getattr(request, name)
    ]
    return "".join(f"{part} " for part in parts)


def _txn(request: Txn) -> str:
    compare = " ".join(map(_compare, request.compare))
    success, failure = " ".join(map(_op, request.success)), " ".join(map(_op, request.failure))
    return f"compare:<{compare}> success:<{success}> failure:<{failure}>"


def _compare(compare: Compare) -> str:
    if compare.WhichOneof("target_union") != "value":
        return _message(compare)
    parts = [
        f"{name}:{_enum(compare, name)}" for name in ("result", "target") if getattr(compare, name)
    ]
    if compare.key:
        parts.append(f"key:{go_quote_octal(compare.key)}")
    if compare.value:
        parts.append(f"value_size:{len(compare.value)}")
    if compare.range_end:
        parts.append(f"range_end:{go_quote_octal(compare.range_end)}")
    return "".join(f"{part} " for part in parts)


def _op(op: Op) -> str:
    kind, request = op
    if kind is None:
        return ""
    if kind == PUT:
        return f"{kind}:<{_put(request)}>"
    if kind == TXN:
        return f"{kind}:<{_txn(request)}>"
    return f"{kind}:{{{_message(request)}}}"


def _message(message: Message) -> str:
    return " ".join(f"{field.name}:{_value(field, value)}" for field, value in message.ListFields())


def _value(field: Any, value: Any) -> str:
    if isinstance(value, bytes):
        return go_quote_hex(value)
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
