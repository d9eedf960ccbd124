"""aetcd clients of two servers at once, and their results as plain data to compare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aetcd
from google.protobuf.message import Message

Call = Callable[[aetcd.Client], Awaitable[Any]]


class Both:
    """A client of each server."""

    def __init__(self, etcdpy: aetcd.Client, etcd: aetcd.Client) -> None:
        self.etcdpy = etcdpy
        self._etcd = etcd

    async def answer(self, call: Call) -> Any:
        """Make the same call to both servers, compare, and return (or raise) what came."""
        got, result = await _outcome(call, self.etcdpy)
        expected, _ = await _outcome(call, self._etcd)
        assert got == expected
        if isinstance(result, Exception):
            raise result
        return result


async def _outcome(call: Call, client: aetcd.Client) -> tuple[Any, Any]:
    try:
        result = await call(client)
    except aetcd.ClientError as error:
        return (type(error), str(error)), error
    return _seen(result), result


def _seen(result: Any) -> Any:
    """Return a result as plain data, every field of it."""
    if isinstance(result, Message):
        return str(result)
    if isinstance(result, str | bytes | int | None):
        return result
    if isinstance(result, Sequence):
        return [_seen(item) for item in result]
    names = getattr(result, "__slots__", None) or vars(result)
    return {name: _seen(getattr(result, name)) for name in names if not name.startswith("_")}


def connect(address: str, user: str | None = None, password: str | None = None) -> aetcd.Client:
    """Return a client of the server at ``host:port``, which connects when it is entered."""
    host, port = address.split(":")
    options = {"grpc.enable_http_proxy": 0}
    return aetcd.Client(host, int(port), username=user, password=password, options=options)


def keys(found: Any) -> list[bytes]:
    """Return the keys of a range or of what a delete returned."""
    return [kv.key for kv in found]
