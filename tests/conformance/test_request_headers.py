"""Request headers that no client library sends: each gets the answer a real etcd gives it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.blackbox.h2client import Client, Fields, data, message, request_fields
from tests.conformance import differences
from tests.conformance.peers import Peer
from tests.support.servers import Server, etcdpy_server, reference_etcd

RANGE = "/etcdserverpb.KV/Range"
BODY = message(pb.RangeRequest(key=b"a").SerializeToString())

Servers = tuple[Server, Server]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with etcdpy_server() as subject, reference_etcd() as reference:
        with contextlib.closing(Peer(reference.address)) as peer:
            if differences.version_of(peer) < differences.SAME_REFUSALS:
                pytest.skip("an etcd this old has another gRPC, which refuses in other ways")
        yield subject, reference


def typed(*content_types: str, path: str = RANGE, method: str = "POST") -> Fields:
    fields = [f for f in request_fields(path, method=method) if f[0] != b"content-type"]
    return fields + [(b"content-type", name.encode("latin-1")) for name in content_types]


def with_fields(*extra: tuple[str, str], path: str = RANGE, method: str = "POST") -> Fields:
    return request_fields(path, *extra, method=method)


REQUESTS: dict[str, Fields] = {
    **{
        f"{method} {path} as {kind!r}": typed(kind, path=path, method=method)
        for kind in ("application/grpc-web", "application/json", "text/plain", "", "\xe9")
        for path in (RANGE, "/version", "/no.Such/Path", "none")
        for method in ("POST", "PUT")
    },
    "no content type": typed(),
    "upper case": typed("Application/grpc"),
    "space before": typed(" application/grpc"),
    "space behind": typed("application/grpc "),
    "two in one": typed("application/grpc,application/grpc"),
    "two, the first good": typed("application/grpc", "text/plain"),
    "two, the last good": typed("text/plain", "application/grpc+proto"),
    "two, both good": typed("application/grpc", "application/grpc+proto"),
    "two, none good": typed("text/plain", "application/json"),
    "empty subtype": typed("application/grpc+"),
    "empty parameter": typed("application/grpc;"),
    "GET": typed("application/grpc", method="GET"),
    "HEAD": typed("application/grpc", method="HEAD"),
    "no authority": request_fields(RANGE, authority=None),
    "host alone": request_fields(RANGE, ("host", "h"), authority=None),
    "two hosts": with_fields(("host", "a"), ("host", "b")),
    "two hosts, and another content type": [
        *typed("text/plain"),
        (b"host", b"a"),
        (b"host", b"b"),
    ],
    **{
        f"timeout {value!r}": with_fields(("grpc-timeout", value))
        for value in (
            "",
            "1",
            "S",
            "1x",
            "1s",
            "-1S",
            "+1S",
            " 1S",
            "1.5S",
            "123456789S",
            "0n",
            "1H",
        )
    },
    **{
        f"binary {value!r}": with_fields(("x-bin", value))
        for value in ("!!!", "AQI", "AQI=", "AQ=", "A", "AQI,AQI", ",", "AQ==AQ==", "", "A-_A")
    },
    "two binaries": with_fields(("x-bin", "!"), ("y-bin", "?")),
    "bad type and timeout": with_fields(("content-type", "text/x"), ("grpc-timeout", "x")),
    "bad binary and method": with_fields(("x-bin", "!!"), method="GET"),
    "two encodings, the last known": with_fields(
        ("grpc-encoding", "snappy"), ("grpc-encoding", "identity")
    ),
    "two encodings, the first known": with_fields(
        ("grpc-encoding", "identity"), ("grpc-encoding", "snappy")
    ),
    **{
        f"{count} fields of {size} bytes": with_fields(
            *((f"x-{number}", "~" * size) for number in range(count))
        )
        for count, size in ((1, 60_000), (1, 200_000), (1, 1_000_000), (100, 2_000), (2_000, 400))
    },
    **{f"path {path!r}": with_fields(path=path) for path in ("/", "//", "/x", "/a/b/c", "/no/pe")},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_answer_is_etcds(servers: Servers, name: str) -> None:
    got, expected = (answer(server, REQUESTS[name]) for server in servers)
    assert got == expected


def answer(server: Server, fields: Fields) -> tuple[Fields, Fields, bool, bool]:
    """Return the first and last block of the answer, whether it has a message, and is reset."""
    with Client(int(server.address.rpartition(":")[2])) as client:
        client.send(client.headers(1, fields), data(1, BODY, end=True))
        reply = client.finish(1)
        # A RST_STREAM of NO_ERROR follows if the answer overtook the request: a race in etcd.
        is_reset = reply.reset not in (None, 0)
        return (reply.blocks or [[]])[0], (reply.blocks or [[]])[-1], bool(reply.body), is_reset
