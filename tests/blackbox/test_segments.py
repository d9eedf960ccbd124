"""
A client that leaves Nagle's algorithm on, and writes a request in two parts.

Its system keeps the second part back until the first is acknowledged, which a server's system puts
off for 40 ms and more, to send it with a reply.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from etcdpy.pb.rpc_pb2 import RangeRequest
from tests.support.servers import etcdpy_server

from .conftest import DEFAULTS, UNARY, EchoServer
from .h2client import Client, data, message

#: A connection's first segments are acknowledged at once in any case.
FIRST_CALLS = 20
#: So many are enough to tell, of those that a busy machine makes slow as well.
QUICK, MOST_CALLS = 5, 200
#: The shortest time for which Linux puts an acknowledgement off, in seconds.
PUT_OFF = 0.040


@pytest.fixture(params=["asyncio", "uvloop"])
def address(request: pytest.FixtureRequest) -> Iterator[tuple[int, str, bytes]]:
    """Return the port of a server on either loop, a method, and a request for it."""
    with ExitStack() as stack:
        if request.param == "asyncio":
            echo = EchoServer(**DEFAULTS)
            stack.callback(echo.stop)
            yield echo.port, UNARY, b"hello"
        else:
            server = stack.enter_context(etcdpy_server())
            port = int(server.address.rpartition(":")[2])
            yield port, "/etcdserverpb.KV/Range", RangeRequest(key=b"k").SerializeToString()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no way to ask for it")
def test_a_request_in_two_parts_does_not_wait_for_an_acknowledgement(
    address: tuple[int, str, bytes],
) -> None:
    port, path, body = address
    with Client(port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        for _ in range(FIRST_CALLS):
            _call(client, path, body)
        took: list[float] = []
        # Each of them would take as long as that; on a busy machine some do for other reasons.
        while sum(seconds < PUT_OFF * 0.75 for seconds in took) < QUICK:
            assert len(took) < MOST_CALLS, took
            took.append(_call(client, path, body))


def _call(client: Client, path: str, body: bytes) -> float:
    """Make a call; return the seconds it took."""
    began = time.monotonic()
    stream = client.open(path)
    client.send(data(stream, message(body), end=True))
    reply = client.stream(stream)
    client.wait(lambda: reply.finished)
    assert len(reply.messages) == 1
    return time.monotonic() - began
