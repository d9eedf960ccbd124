"""The gateway over HTTP/2, which takes TLS: requests of a stream are answered as they come."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.h2client import DATA, END_STREAM, Client, Reply, frame
from tests.conformance.test_gateway_edges import STARTS
from tests.support.certificates import Authority
from tests.support.ports import free_port

Fields = list[tuple[bytes, bytes]]


class Secure:
    """A server with TLS, and how it is connected to."""

    def __init__(self, port: int, authority: Path) -> None:
        self.port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.check_hostname = False
        self._context.set_alpn_protocols(["h2"])

    def connect(self) -> Client:
        return Client(self.port, tls=self._context)


@pytest.fixture(scope="module", params=STARTS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secure]:
    authority = Authority.make(tmp_path_factory.mktemp("ca"))
    pair = authority.server()
    arguments = (
        # etcd's gateway connects to the address in the flag, so there has to be a port in that.
        f"--listen-client-urls=https://127.0.0.1:{free_port()}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
    )
    with STARTS[request.param](args=arguments) as running:
        yield Secure(int(running.address.rpartition(":")[2]), authority.path)


def post(client: Client, path: str, number: int = 1) -> Reply:
    """Begin a request, the body of which is to follow."""
    fields: Fields = [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", path.encode()),
        (b":authority", b"127.0.0.1"),
        (b"accept", b"*/*"),
    ]
    client.send(client.headers(number, fields))
    return client.stream(number)


def send(client: Client, data: bytes, number: int = 1, *, end: bool = False) -> None:
    client.send(frame(DATA, END_STREAM if end else 0, number, data))


def results(client: Client, reply: Reply, count: int) -> list[Any]:
    """Return the lines of a stream once there are so many."""
    client.wait(lambda: reply.body.count(b"\n") >= count)
    return [json.loads(line)["result"] for line in bytes(reply.body).splitlines()]


@pytest.mark.parametrize("version", ["v3", "v3beta"])
def test_watches_are_created_while_the_body_goes_on(server: Secure, version: str) -> None:
    with server.connect() as client:
        watch = post(client, f"/{version}/watch")
        send(client, b'{"create_request":{"key":"YQ=="}}')
        (created,) = results(client, watch, 1)
        assert created["created"]
        send(client, b'{"create_re')
        send(client, b'quest":{"key":"Yg=="}}{"create_request":{"key":"Yw=="}}')
        _, second, third = results(client, watch, 3)
        assert (second["watch_id"], third["watch_id"]) == ("1", "2")
        put = post(client, "/v3/kv/put", 3)
        send(client, b'{"key":"Yg==","value":"YQ=="}', 3, end=True)
        client.finish(3)
        assert put.http_status == 200
        *_, event = results(client, watch, 4)
        assert event["events"][0]["kv"]["value"] == "YQ=="
        # The end of the body is not that of the watch.
        send(client, b"", end=True)
        post(client, "/v3/kv/put", 5)
        send(client, b'{"key":"Yg==","value":"Yg=="}', 5, end=True)
        *_, event = results(client, watch, 5)
        assert event["events"][0]["kv"]["value"] == "Yg=="
        assert not watch.finished


def test_watch_may_be_asked_for_in_one_go(server: Secure) -> None:
    with server.connect() as client:
        watch = post(client, "/v3/watch")
        send(client, b'{"create_request":{"key":"YQ=="}}' * 2, end=True)
        first, second = results(client, watch, 2)
        assert "watch_id" not in first
        assert second["watch_id"] == "1"


def test_lease_is_kept_alive_while_the_body_goes_on(server: Secure) -> None:
    with server.connect() as client:
        post(client, "/v3/lease/grant", 1)
        send(client, b'{"TTL":"100"}', 1, end=True)
        lease = json.loads(client.finish(1).body)["ID"]
        kept = post(client, "/v3/lease/keepalive?x", 3)
        for count in (1, 2, 3):
            send(client, json.dumps({"ID": lease}).encode(), 3)
            assert results(client, kept, count)[-1]["TTL"] == "100"
        send(client, b"", 3, end=True)
        assert client.finish(3).http_status == 200


def test_body_that_is_too_large_is_told_so_in_json(server: Secure) -> None:
    with server.connect() as client:
        reply = post(client, "/v3/kv/put")
        body = b'{"key":"YQ==","value":"' + b"QUFB" * 1_100_000 + b'"}'
        client.pour(1, (body[at : at + 16384] for at in range(0, len(body), 16384)))
        send(client, b"", end=True)
        client.finish(1)
        assert reply.http_status == 429
        told = json.loads(reply.body)
        assert told["code"] == 8
        assert told["message"].startswith("grpc: received message larger than max")
