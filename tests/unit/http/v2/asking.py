"""Requests of v2 to handlers, without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from etcdpy.auth.passwords import LEAST_COST
from etcdpy.config import Config
from etcdpy.mvcc.store import Store
from etcdpy.node.node import Node
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import Body, HttpHandler, HttpRequest, HttpResponse
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import IDENTITY, make_node

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
NOSNIFF = (b"x-content-type-options", b"nosniff")
#: That of the nodes of unit tests.
CLUSTER = (b"x-etcd-cluster-id", b"643a000000000002")


def new_node(clock: MovableClock | None = None) -> Node:
    log = FakeLog()
    return make_node(Store(log), log, clock=clock)


def request(path: str, method: str = "GET", body: bytes = b"", **fields: str) -> HttpRequest:
    headers = [(name.replace("_", "-").encode(), text.encode()) for name, text in fields.items()]
    return HttpRequest(method, path, "x", headers, Body(body), "ipv4:1.1.1.1:1")


async def ask(
    handler: HttpHandler, path: str, method: str = "GET", body: bytes = b"", **fields: str
) -> HttpResponse:
    return await handler(request(path, method, body, **fields))


def without_length(answer: HttpResponse) -> list[tuple[bytes, bytes]]:
    return [header for header in answer.headers if header[0] != b"content-length"]


@asynccontextmanager
async def opened(path: Path, clock: MovableClock | None = None) -> AsyncIterator[Node]:
    """Open a node that writes, with the identity of those that do not."""
    config = Config(
        data_dir=str(path), unsafe_no_fsync=True, bcrypt_cost=LEAST_COST, enable_v2=True
    )
    async with Node.open(config, clock or MovableClock()) as node:
        node.parts.membership.identity = IDENTITY
        yield node
