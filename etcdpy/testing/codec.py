"""
What goes between a test and a server in another process, as JSON.

Text is text and bytes are text where they are UTF-8; others are an object that says so::

    b"abc"      "abc"
    b"\\xff"     {"base64": "/w=="}
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from etcdpy.pb import health_pb2, rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.testing.requests import OnKeys, Request

__all__ = ["bytes_of", "request_of", "sent", "sent_request"]

_BASE64 = "base64"

#: Every request of etcd's, by its full name.
_MESSAGES: dict[str, Any] = {
    descriptor.full_name: getattr(module, name)
    for module in (rpc_pb2, v3lock_pb2, v3election_pb2, health_pb2)
    for name, descriptor in module.DESCRIPTOR.message_types_by_name.items()
}


def sent(value: Any) -> Any:
    """
    Return a value as JSON has it.

    Raises:
        ValueError: It is a function, or something else that stays where it is.

    """
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {_BASE64: base64.b64encode(value).decode("ascii")}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, OnKeys):
        return {"method": value.method, "keys": list(value.patterns)}
    if isinstance(value, Request):
        return sent_request(value)
    if hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {_name(key): sent(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [sent(inner) for inner in value]
    raise ValueError(
        f"{value!r} cannot be sent to a server in another process: say which requests are meant "
        "by their method, or by on_keys()"
    )


def bytes_of(value: Any) -> bytes:
    """Return the bytes that ``sent`` has made something of."""
    if isinstance(value, Mapping):
        return base64.b64decode(value[_BASE64])
    return str(value).encode("utf-8", "surrogateescape")


def sent_request(request: Request) -> dict[str, Any]:
    """Return a request as JSON has it: its message as fields, and as the bytes that it was."""
    told: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("time", "method", "peer", "user", "status", "details", "over")
    }
    message = request.message
    if isinstance(message, Message):
        told["type"] = message.DESCRIPTOR.full_name
        told["message"] = MessageToDict(message, preserving_proto_field_name=True)
        told["bytes"] = base64.b64encode(message.SerializeToString()).decode("ascii")
    return told


def request_of(told: Mapping[str, Any]) -> Request:
    """Return the request that ``sent_request`` has told of; of HTTP without its message."""
    told = dict(told)
    kind, data = told.pop("type", None), told.pop("bytes", "")
    told["message"] = None
    if kind is not None:
        told["message"] = _MESSAGES[kind].FromString(base64.b64decode(data))
    return Request(**told)


def _name(key: Any) -> str:
    return key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else str(key)
