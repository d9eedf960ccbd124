"""gRPC's Health service, byte for byte what a real etcd's is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from etcdpy.pb import health_pb2 as pb
from tests.support import servers
from tests.support.client import CHANNEL_OPTIONS

CHECK, LIST, WATCH = (f"/grpc.health.v1.Health/{name}" for name in ("Check", "List", "Watch"))
NAMES = ("", "etcdserverpb.KV", "grpc.health.v1.Health", "nobody", "n" * 5000)

STARTS: dict[str, Callable[[], Any]] = {
    "native": servers.etcdpy_server,
    "grpcio": lambda: servers.etcdpy_server("grpcio"),
    "etcd": servers.reference_etcd,
}


@pytest.fixture(scope="module", params=STARTS)
def channel(request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A connection to each server: all of them have to pass the same tests."""
    with (
        STARTS[request.param]() as server,
        grpc.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        yield channel


def encoded(name: str) -> bytes:
    return pb.HealthCheckRequest(service=name).SerializeToString()


def ask(channel: grpc.Channel, method: str, request: bytes) -> tuple[Any, Any]:
    """Return what a unary call answers: a code with its words, or OK with the bytes."""
    call: Any = channel.unary_unary(method)
    future = call.future(request, timeout=30)
    code = future.code()
    return code, future.result() if code is grpc.StatusCode.OK else future.details()


@pytest.mark.parametrize("name", NAMES)
def test_a_check_knows_the_server_as_a_whole_alone(channel: grpc.Channel, name: str) -> None:
    answer = ask(channel, CHECK, encoded(name))
    if name:
        assert answer == (grpc.StatusCode.NOT_FOUND, "unknown service")
    else:
        assert answer == (grpc.StatusCode.OK, b"\x08\x01")


@pytest.mark.parametrize("name", NAMES)
def test_a_watch_tells_once_and_stays_open(channel: grpc.Channel, name: str) -> None:
    call: Any = channel.unary_stream(WATCH)
    watch = call(encoded(name), timeout=30)
    assert next(watch) == (b"\x08\x03" if name else b"\x08\x01")
    # What comes after it has come before the answer to a later call of the same connection.
    ask(channel, CHECK, encoded(""))
    assert watch.is_active()
    watch.cancel()


def test_a_list_names_the_server_as_a_whole(channel: grpc.Channel) -> None:
    code, answer = ask(channel, LIST, b"")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        # etcd has it since its library has. (grpc-go 1.72)
        pytest.skip("this etcd has no List")
    assert (code, answer) == (grpc.StatusCode.OK, b"\x0a\x06\x0a\x00\x12\x02\x08\x01")


def test_methods_that_are_not_there_are_told_as_etcd_tells_them(channel: grpc.Channel) -> None:
    assert ask(channel, "/grpc.health.v1.Health/Nothing", b"")[0] is grpc.StatusCode.UNIMPLEMENTED
