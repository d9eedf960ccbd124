"""Plain HTTP beside a real etcd: who is answered, and with which words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences
from tests.conformance.peers import Call, Peer
from tests.support import http1, servers
from tests.support.http1 import Answer, request
from tests.support.ports import free_port

OPTIONS = (
    "--host-whitelist=localhost,good,::1",
    "--cors=http://a.com:80,http://b.com:8080",
)


class Both(NamedTuple):
    """The addresses of two servers, the one under test first, and the other one's version."""

    clients: tuple[str, str]
    metrics: tuple[str, str]
    version: differences.Version

    def compare(
        self, data: bytes, name: str = "", *, metrics: bool = False, to_head: bool = False
    ) -> None:
        """Send the same to both, and have the same come back."""
        if self.version < differences.HTTP_SINCE.get(name, ()):
            pytest.skip("this etcd answers otherwise")
        addresses = self.metrics if metrics else self.clients
        ours, etcds = (
            comparable(http1.ask(address, data, to_head=to_head)) for address in addresses
        )
        if to_head:  # which Go knows of some answers alone
            ours.headers.pop("Content-Length")
            etcds.headers.pop("Content-Length", None)
        assert ours == etcds


def comparable(answer: Answer) -> Answer:
    """Return an answer without what differs from release to release, and from run to run."""
    body = answer.body
    if b'"etcdserver":' in body:
        body = " ".join(json.loads(body)).encode()
    # Checks are told in any order.
    body = b"\n".join(sorted(body.split(b"\n")))
    return replace(answer, body=body)


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with ExitStack() as running:
        clients, metrics = [], []
        for start in (servers.etcdpy_server, servers.reference_etcd):
            begin: Callable[..., Any] = start
            port = free_port()
            arguments = (*OPTIONS, f"--listen-metrics-urls=http://127.0.0.1:{port}")
            clients.append(running.enter_context(begin(args=arguments)).address)
            metrics.append(f"127.0.0.1:{port}")
        peer = Peer(clients[1])
        version = differences.version_of(peer)
        peer.close()
        yield Both((clients[0], clients[1]), (metrics[0], metrics[1]), version)


#: What is asked, and the name it has in the table of differences.
PATHS = {
    "/version": "/version",
    "/version?a=b": "/version",
    "/%76ersion": "/version",
    "/health": "",
    "/health?exclude=NOSPACE&serializable=true": "",
    "/livez": "/livez",
    "/livez?verbose": "/livez",
    "/livez/serializable_read?verbose": "/livez",
    "/readyz": "/livez",
    "/readyz?verbose": "/livez",
    "/readyz?exclude=data_corruption&verbose&exclude=nope": "/livez",
    "/readyz/linearizable_read": "/livez",
    "/livez/nope": "",
    "/livez/": "",
    "/": "",
    "/zzz": "",
    "/version/": "",
    "/debug/": "",
    "/v3beta": "",
    "/v3alpha/kv/range": "",
    "/v3": "redirect",
    "/v3?x=y": "redirect",
    "//version": "redirect",
    "/a/../version": "redirect",
    "/./health": "redirect",
    "/a%2f%2fb": "/a%2f%2fb",
    "/version%zz": "",
}


@pytest.mark.parametrize("path", PATHS)
def test_path(both: Both, path: str) -> None:
    both.compare(request(path), PATHS[path])


@pytest.mark.parametrize("path", ["/version", "/health", "/livez", "/debug/vars"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "FOO", "get", "OPTIONS"])
def test_method(both: Both, path: str, method: str) -> None:
    name = "/livez" if path == "/livez" and method != "OPTIONS" else ""
    both.compare(request(path, method), name or method, to_head=method == "HEAD")


@pytest.mark.parametrize("path", ["/v3/nope", "/v3beta/nope", "/v3/"])
def test_path_that_the_gateway_does_not_know(both: Both, path: str) -> None:
    both.compare(request(path, "POST"), "gateway")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("path", ["/v3", "/v3//kv/range?x=1", "//zzz/"])
def test_other_methods_are_sent_elsewhere_too(both: Both, method: str, path: str) -> None:
    both.compare(request(path, method), "redirect", to_head=method == "HEAD")


@pytest.mark.parametrize(
    "host", ["good", "good:1", "Good", "evil:99", "127.0.0.1:1", "[::1]:80", "", "a'b"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_host(both: Both, host: str, method: str) -> None:
    both.compare(request("/health", method, host=host), "/host" if host == "a'b" else "")


@pytest.mark.parametrize(
    "origin", ["http://a.com:80", "http://a.com", "http://b.com:8080", "HTTP://A.com:80", "x"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("path", ["/health", "/zzz"])
def test_origin(both: Both, origin: str, method: str, path: str) -> None:
    both.compare(request(path, method, Origin=origin))


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * HTTP/1.1\r\nHost: evil\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.0\r\nHost: good\r\nConnection: keep-alive\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: good\r\nConnection: close\r\n\r\n",
        b"GET http://good/health HTTP/1.1\r\nHost: evil\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: good\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /health HTTP/1.1\r\nHost: good\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"POST /zzz HTTP/1.1\r\nHost: good\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"POST /zzz HTTP/1.1\r\nHost: good\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_way_of_asking(both: Both, data: bytes) -> None:
    both.compare(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", ""),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "malformed"),
        (b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", ""),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n", ""),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nfoo: \x01\r\n\r\n", "malformed"),
        (b"GET /health HTTP/1.1\r\nHost: a\rfoo: b\r\n\r\n", "malformed"),
        (b"GET health HTTP/1.1\r\nHost: a\r\n\r\n", "malformed"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "malformed"),
    ],
)
def test_what_is_no_request(both: Both, data: bytes, name: str) -> None:
    both.compare(data, name)


@pytest.mark.parametrize(
    "path", ["/health", "/version", "/debug/vars", "/v3/kv/range", "/zzz", "/health/", "/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_address_for_metrics(both: Both, path: str, method: str) -> None:
    data = request(path, method, host="evil", Origin="http://a.com:80")
    name = "" if path != "/health" or method == "GET" else method
    both.compare(data, name, metrics=True)


ALARMED = (
    "/health",
    "/health?exclude=NOSPACE",
    "/health?exclude=CORRUPT",
    "/health?exclude=CORRUPT&exclude=NOSPACE",
    "/health?serializable=true",
    "/readyz",
    "/readyz?verbose",
    "/readyz?exclude=data_corruption",
    "/readyz/data_corruption",
    "/readyz/data_corruption?exclude=data_corruption",
    "/readyz/linearizable_read",
    "/livez",
)


@pytest.mark.parametrize("kind", [pb.NOSPACE, pb.CORRUPT])
@pytest.mark.parametrize("path", ALARMED)
def test_alarm(both: Both, kind: pb.AlarmType.ValueType, path: str) -> None:
    name = "" if path.startswith("/health") else "/livez"
    with ExitStack() as raised:
        for address in both.clients:
            raised.enter_context(_Alarm(address, kind))
        both.compare(request(path), name, metrics=True)


class _Alarm:
    """An alarm of a server's for the length of the block."""

    def __init__(self, address: str, kind: pb.AlarmType.ValueType) -> None:
        self._peer = Peer(address)
        self._kind = kind
        self._member = self._peer.send(Call.of(pb.StatusRequest())).reply.header.member_id

    def __enter__(self) -> None:
        self._set(pb.AlarmRequest.ACTIVATE)

    def __exit__(self, *_: object) -> None:
        self._set(pb.AlarmRequest.DEACTIVATE)
        self._peer.close()

    def _set(self, action: pb.AlarmRequest.AlarmAction.ValueType) -> None:
        alarm = pb.AlarmRequest(action=action, memberID=self._member, alarm=self._kind)
        assert self._peer.send(Call.of(alarm)).error is None
