"""
What etcd's gateway and its plain endpoints make of the odd request, written down case by case.

A real etcd has to pass the same, where there is one that is new enough to have this gateway.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple, cast

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.conformance.differences import TARGET, version_of
from tests.conformance.peers import Peer
from tests.support import servers
from tests.support.http1 import Answer, Client, ask, request
from tests.support.ports import free_port

#: The first release with this gateway.
SINCE = (3, 7)

STARTS: dict[str, Callable[..., Any]] = {
    "etcdpy": lambda args: servers.etcdpy_server(args=args),
    "etcd": servers.reference_etcd,
}


class Case(NamedTuple):
    """
    A request and its answer.

    Attributes:
        status: That of HTTP.
        reply: What JSON the body is, without the headers that replies have; or its beginning.

    """

    path: str
    body: str | bytes
    status: int
    reply: Any
    method: str = "POST"
    headers: dict[str, str] = {}  # noqa: RUF012 (it is the default of a field)


def error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


RANGE = "/v3/kv/range"
FOO = {"key": "Zm9v", "create_revision": "2", "mod_revision": "2", "version": "1", "value": "YmFy"}
FOUND = {"kvs": [FOO], "count": "1"}
NO_KEY = error(3, "etcdserver: key is not provided")
NOT_FOUND = error(5, "Not Found")
NOT_ALLOWED = error(12, "Method Not Allowed")
FUTURE = error(11, "etcdserver: mvcc: required revision is a future revision")
NO_LEASE = error(5, "etcdserver: requested lease not found")

REQUESTS: dict[str, Case] = {
    "a range of no key": Case(RANGE, "{}", 400, NO_KEY),
    "no body": Case(RANGE, "", 400, NO_KEY),
    "blanks for a body": Case(RANGE, " \r\n\t", 400, NO_KEY),
    "GET": Case(RANGE, "", 501, NOT_ALLOWED, "GET"),
    "PUT": Case(RANGE, '{"key":"Zm9v"}', 501, NOT_ALLOWED, "PUT"),
    "a method nobody knows": Case(RANGE, "", 501, NOT_ALLOWED, "FOO"),
    "a path nobody knows": Case("/v3/kv/nope", "{}", 404, NOT_FOUND),
    "a slash too many": Case("/v3/kv/range/", "{}", 404, NOT_FOUND),
    "no path of the gateway's": Case("/nope", "", 404, b"404 page not found\n", "GET"),
    "no method of gRPC's": Case("/etcdserverpb.KV/Range", "", 404, b"404 page not found\n"),
    "a stream without a path": Case("/v3/kv/rangestream", "{}", 404, NOT_FOUND),
    "two slashes": Case("/v3//kv/range", "{}", 307, b""),
    "the paths of 3.3": Case("/v3beta/kv/range", '{"key":"Zm9v"}', 200, FOUND),
    "the paths of 3.2": Case("/v3alpha/kv/range", "{}", 404, b"404 page not found\n"),
    "a query": Case(f"{RANGE}?key=YQ==&limit=x", '{"key":"Zm9v"}', 200, FOUND),
    "half an object": Case(RANGE, '{"key":', 400, error(3, "unexpected EOF")),
    "no JSON": Case(
        RANGE, "hello", 400, error(3, "invalid character 'h' looking for beginning of value")
    ),
    "a name without quotes": Case(
        RANGE,
        "{bad}",
        400,
        error(3, "invalid character 'b' looking for beginning of object key string"),
    ),
    "a list": Case(
        RANGE, "[]", 400, error(3, "proto: syntax error (line 1:1): unexpected token [")
    ),
    "null": Case(
        RANGE, "null", 400, error(3, "proto: syntax error (line 1:1): unexpected token null")
    ),
    "a string": Case(
        RANGE, '"x"', 400, error(3, 'proto: syntax error (line 1:1): unexpected token "x"')
    ),
    "no base64": Case(
        RANGE,
        '{"key":"foo!"}',
        400,
        error(3, 'proto: (line 1:8): invalid value for bytes field key: "foo!"'),
    ),
    "a number for bytes": Case(
        RANGE,
        '{"key":12}',
        400,
        error(3, "proto: (line 1:8): invalid value for bytes field key: 12"),
    ),
    "base64 without its padding": Case(RANGE, '{"key":"Zm8"}', 200, {}),
    "base64 for URLs": Case(
        RANGE,
        '{"key":"-_8="}',
        200,
        {
            "kvs": [
                {"key": "+/8=", "create_revision": "3", "mod_revision": "3", "version": "1"},
            ],
            "count": "1",
        },
    ),
    "null for a key": Case(RANGE, '{"key":null}', 400, NO_KEY),
    "a field nobody knows": Case(RANGE, '{"key":"Zm9v","bogus":[{"a":1}]}', 200, FOUND),
    "names as in Go": Case(RANGE, '{"key":"Zm9v","keysOnly":false,"sortOrder":0}', 200, FOUND),
    "a name nobody knows for an enumeration": Case(
        RANGE, '{"key":"Zm9v","sort_order":"DOWN"}', 200, FOUND
    ),
    "a number nobody knows for an enumeration": Case(
        RANGE,
        '{"key":"Zm9v","sort_order":9}',
        400,
        error(3, "etcdserver: invalid sort option"),
    ),
    "no value of an enumeration": Case(
        RANGE,
        '{"key":"Zm9v","sort_order":true}',
        400,
        error(3, "proto: (line 1:28): invalid value for enum field sortOrder: true"),
    ),
    "a number as a string": Case(RANGE, '{"key":"Zm9v","limit":"5"}', 200, FOUND),
    "a number": Case(RANGE, '{"key":"Zm9v","limit":5}', 200, FOUND),
    "a number with a point": Case(RANGE, '{"key":"Zm9v","limit":5.0}', 200, FOUND),
    "a number with an exponent": Case(RANGE, '{"key":"Zm9v","limit":1e2}', 200, FOUND),
    "a number that is not whole": Case(
        RANGE,
        '{"key":"Zm9v","limit":5.5}',
        400,
        error(3, "proto: (line 1:23): invalid value for int64 field limit: 5.5"),
    ),
    "a string for a truth": Case(
        RANGE,
        '{"key":"Zm9v","keys_only":"true"}',
        400,
        error(3, 'proto: (line 1:27): invalid value for bool field keysOnly: "true"'),
    ),
    "a field twice": Case(
        RANGE,
        '{"key":"Zm9v","key":"Zm9v"}',
        400,
        error(3, 'proto: (line 1:15): duplicate field "key"'),
    ),
    "a field by both its names": Case(
        RANGE,
        '{"keys_only":true,"keysOnly":true}',
        400,
        error(3, 'proto: (line 1:19): duplicate field "keysOnly"'),
    ),
    "two of which one may be there": Case(
        "/v3/kv/txn",
        '{"success":[{"request_put":{"key":"YQ=="},"request_range":{"key":"YQ=="}}]}',
        400,
        error(
            3,
            'proto: (line 1:43): error parsing "request_range", '
            "oneof etcdserverpb.RequestOp.request is already set",
        ),
    ),
    "more behind the object": Case(RANGE, '{"key":"Zm9v"} xyz', 200, FOUND),
    "a form by its header": Case(
        RANGE,
        '{"key":"Zm9v"}',
        200,
        FOUND,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"},
    ),
    "gRPC by its header": Case(
        RANGE, '{"key":"Zm9v"}', 200, FOUND, headers={"Content-Type": "application/grpc"}
    ),
    "another method by a header": Case(
        RANGE, "", 501, NOT_ALLOWED, "GET", {"X-HTTP-Method-Override": "POST"}
    ),
    "no time": Case(
        RANGE,
        '{"key":"Zm9v"}',
        504,
        error(4, "context deadline exceeded"),
        headers={"Grpc-Timeout": "1n"},
    ),
    "a time that is none": Case(
        RANGE,
        '{"key":"Zm9v"}',
        400,
        error(3, "invalid grpc-timeout: abc"),
        headers={"Grpc-Timeout": "abc"},
    ),
    "a revision to come": Case(RANGE, '{"key":"Zm9v","revision":"9999"}', 400, FUTURE),
    "compaction at a revision to come": Case("/v3/kv/compaction", '{"revision":9999}', 400, FUTURE),
    "compaction at none": Case("/v3/kv/compaction", "{}", 200, {}),
    "a put with a lease that is not there": Case(
        "/v3/kv/put", '{"key":"Zm9v","lease":"5"}', 404, NO_LEASE
    ),
    "no such lease": Case("/v3/lease/revoke", '{"ID":"5"}', 404, NO_LEASE),
    "no such lease, by its other path": Case("/v3/kv/lease/revoke", '{"ID":5}', 404, NO_LEASE),
    "a lease by a path that is none": Case("/v3/kv/lease/grant", '{"TTL":9}', 404, NOT_FOUND),
    "how long a lease has that is not there": Case(
        "/v3/kv/lease/timetolive", '{"ID":"1"}', 200, {"ID": "1", "TTL": "-1"}
    ),
    "a lease that is there": Case(
        "/v3/lease/grant",
        '{"ID":"77","TTL":"9"}',
        400,
        error(9, "etcdserver: lease already exists"),
    ),
    "a lease for longer than there are leases": Case(
        "/v3/lease/grant", '{"TTL":"9000000001"}', 400, error(11, "etcdserver: too large lease TTL")
    ),
    "a lease of less than no time": Case(
        "/v3/lease/grant", '{"ID":"78","TTL":-5}', 200, {"ID": "78", "TTL": "2"}
    ),
    "a transaction of nothing": Case("/v3/kv/txn", "{}", 200, {"succeeded": True}),
    "an operation that is none": Case(
        "/v3/kv/txn", '{"success":[{}]}', 400, error(3, "etcdserver: key not found")
    ),
    "a member at no address": Case(
        "/v3/cluster/member/add",
        '{"peerURLs":["nope"]}',
        400,
        error(3, "etcdserver: given member URLs are invalid"),
    ),
    "no such member": Case(
        "/v3/cluster/member/remove", '{"ID":"1"}', 404, error(5, "etcdserver: member not found")
    ),
    "a token while nobody is asked for one": Case(
        "/v3/auth/authenticate",
        '{"name":"a","password":"b"}',
        400,
        error(9, "etcdserver: authentication is not enabled"),
    ),
    "authentication without root": Case(
        "/v3/auth/enable", "", 400, error(9, "etcdserver: root user does not exist")
    ),
    "the largest id": Case("/v3/maintenance/alarm", '{"memberID":"18446744073709551615"}', 200, {}),
    "an id below zero": Case(
        "/v3/maintenance/alarm",
        '{"memberID":"-1"}',
        400,
        error(3, 'proto: (line 1:13): invalid value for uint64 field memberID: "-1"'),
    ),
    "half a pair of surrogates": Case(
        "/v3/auth/user/add", r'{"name":"\ud800"}', 400, error(3, "proto: unexpected EOF")
    ),
    "no UTF-8": Case(
        "/v3/auth/user/add",
        b'{"name":"\xff"}',
        400,
        error(3, "proto: syntax error (line 1:9): invalid UTF-8 in string"),
    ),
    "a campaign of nobody's": Case(
        "/v3/election/proclaim", "{}", 500, error(2, '"leader" field must be provided')
    ),
    "an election that nobody has won": Case(
        "/v3/election/leader", '{"name":"YQ=="}', 500, error(2, "election: no leader")
    ),
    "keepalive of a lease that is not there": Case(
        "/v3/lease/keepalive", '{"ID":"123"}', 200, {"result": {"ID": "123"}}
    ),
    "keepalive of nothing": Case("/v3/lease/keepalive", "", 200, b""),
    "a stream that asks once, with no JSON": Case(
        "/v3/maintenance/snapshot",
        "x",
        400,
        error(3, "invalid character 'x' looking for beginning of value"),
    ),
    "a stream that has no time": Case(
        "/v3/watch",
        '{"create_request":{"key":"YQ=="}}',
        504,
        error(4, "context deadline exceeded"),
        headers={"Grpc-Timeout": "1n"},
    ),
    "OPTIONS": Case("/zzz", "", 200, b"", "OPTIONS"),
    "health": Case("/health", "", 200, b'{"health":"true","reason":""}', "GET"),
    "health by POST": Case("/health", "", 405, b"Method Not Allowed\n"),
    "version by POST": Case("/version", "", 405, b"Method Not Allowed\n"),
    "version by a method nobody knows": Case("/version", "", 405, b"Method Not Allowed\n", "FOO"),
    "version": Case(
        "/version",
        "",
        200,
        {"etcdserver": TARGET, "etcdcluster": "3.7.0", "storage": "3.7.0"},
        "GET",
    ),
    "life": Case("/livez", "", 200, b"ok\n", "GET"),
    "life, told at length": Case(
        "/livez?verbose", "", 200, b"[+]serializable_read ok\nok\n", "GET"
    ),
    "life, of which nothing is checked": Case(
        "/livez?exclude=serializable_read", "", 200, b"ok\n", "GET"
    ),
    "readiness, of one check": Case(
        "/readyz/non_learner?verbose", "", 200, b"[+]non_learner ok\nok\n", "GET"
    ),
    "a check that is none": Case("/livez/bogus", "", 404, b"404 page not found\n", "GET"),
    "health below its path": Case("/health/", "", 404, b"404 page not found\n", "GET"),
}


def answer_to(address: str, case: Case, **headers: str) -> Answer:
    body = case.body.encode() if isinstance(case.body, str) else case.body
    fields = {name.replace("-", "_"): value for name, value in case.headers.items()}
    return ask(address, request(case.path, case.method, body=body, **fields, **headers))


def comparable(body: bytes) -> Any:
    """Return what JSON a body is, without what differs from server to server."""
    try:
        reply = json.loads(body)
    except ValueError:
        return body
    if not isinstance(reply, dict):
        return body
    if body.startswith(b'{"health"'):
        return body
    reply.pop("header", None)
    reply.get("result", {}).pop("header", None)
    for told in (reply, reply.get("error", {})):
        if isinstance(told.get("message"), str):  # Go's protobuf has one space or the other
            told["message"] = told["message"].replace("\u00a0", " ")
    return reply


def check(address: str, case: Case, **headers: str) -> Answer:
    answer = answer_to(address, case, **headers)
    assert (int(answer.status.split(" ")[1]), comparable(answer.body)) == (case.status, case.reply)
    return answer


def started(kind: str, *args: str) -> Iterator[str]:
    """Run one of the two servers; yield where it serves."""
    # etcd's gateway connects to the address in the flag, so there has to be a port in that.
    url = f"--listen-client-urls=http://127.0.0.1:{free_port()}"
    with STARTS[kind]([url, "--bcrypt-cost=4", *args]) as server:
        peer = Peer(server.address)
        version = version_of(peer)
        peer.close()
        if version < SINCE:
            pytest.skip("the gateway of older releases reads and writes JSON in other ways")
        yield server.address


@pytest.fixture(scope="module", params=STARTS)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server with the keys foo and FB FF, and lease 77."""
    for address in started(request.param):
        check(address, Case("/v3/kv/put", '{"key":"Zm9v","value":"YmFy"}', 200, {}))
        check(address, Case("/v3/kv/put", '{"key":"-_8"}', 200, {}))
        granted = {"ID": "77", "TTL": "1000"}
        check(address, Case("/v3/lease/grant", '{"ID":77,"TTL":1000}', 200, granted))
        yield address


@pytest.mark.parametrize("name", REQUESTS)
def test_request_has_this_answer(address: str, name: str) -> None:
    check(address, REQUESTS[name])


def test_success_and_error_differ_in_their_headers(address: str) -> None:
    found = check(address, Case(RANGE, '{"key":"Zm9v"}', 200, FOUND)).headers
    refused = check(address, Case(RANGE, "{}", 400, NO_KEY)).headers
    for headers in (found, refused):
        assert headers["Content-Type"] == "application/json"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Access-Control-Allow-Methods"] == "POST, GET, OPTIONS, PUT, DELETE"
        assert headers["Access-Control-Allow-Headers"] == "accept, content-type, authorization"
    assert found["Grpc-Metadata-Content-Type"] == "application/grpc"
    assert "Grpc-Metadata-Content-Type" not in refused


def test_endpoints_have_the_types_of_etcds(address: str) -> None:
    types = {
        "/version": "application/json",
        "/health": "text/plain; charset=utf-8",
        "/livez": "text/plain; charset=utf-8",
        "/metrics": "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        "/debug/vars": "application/json; charset=utf-8",
    }
    told = {path: ask(address, request(path)).headers["Content-Type"] for path in types}
    assert told == types


def test_other_methods_are_told_which_one_there_is(address: str) -> None:
    assert ask(address, request("/health", "POST")).headers["Allow"] == "GET"
    head = ask(address, request("/health", "HEAD"), to_head=True)
    assert head.status == "HTTP/1.1 405 Method Not Allowed"
    assert ask(address, request("/metrics", "POST")).status == "HTTP/1.1 200 OK"


LARGE = {
    # The limits are 1.5 MiB for a request, and 512 KiB more for a message.
    1_600_000: Case("/v3/kv/put", "", 400, error(3, "etcdserver: request is too large")),
    2_200_000: Case(
        "/v3/kv/put",
        "",
        429,
        error(8, "grpc: received message larger than max (2200008 vs. 2097152)"),
    ),
}


@pytest.mark.parametrize("size", LARGE)
def test_body_is_too_large(address: str, size: int) -> None:
    value = b64encode(bytes(size)).decode()
    check(address, LARGE[size]._replace(body=f'{{"key":"YQ","value":"{value}"}}'))


def test_snapshot_is_whole(address: str) -> None:
    body = answer_to(address, Case("/v3/maintenance/snapshot", "", 200, {})).body
    told = [json.loads(line)["result"] for line in body.splitlines()]
    *file, checksum = (b64decode(line["blob"]) for line in told)
    assert sha256(b"".join(file)).digest() == checksum
    assert {line["version"] for line in told} == {"3.7.0"}
    for _ in range(30):  # more than may be taken at a time: who leaves lets go of his
        with Client(address) as client:
            client.send(request("/v3/maintenance/snapshot", "POST"))
            assert client.socket.recv(15) == b"HTTP/1.1 200 OK"
    left = [int(line.get("remaining_bytes", 0)) for line in told]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


ALARMS = {
    "NOSPACE": error(8, "etcdserver: mvcc: database space exceeded"),
    "CORRUPT": error(15, "etcdserver: corrupt cluster"),
}


@pytest.mark.parametrize(("alarm", "status"), [("NOSPACE", 429), ("CORRUPT", 500)])
def test_put_under_an_alarm(address: str, alarm: str, status: int) -> None:
    told = json.loads(answer_to(address, Case("/v3/maintenance/status", "", 200, {})).body)
    member = told["header"]["member_id"]

    def switch(action: str) -> None:
        body = f'{{"action":"{action}","memberID":"{member}","alarm":"{alarm}"}}'
        assert answer_to(address, Case("/v3/maintenance/alarm", body, 200, {})).status.endswith(
            "OK"
        )

    switch("ACTIVATE")
    try:
        check(address, Case("/v3/kv/put", '{"key":"YQ"}', status, ALARMS[alarm]))
        reason = f'{{"health":"false","reason":"ALARM {alarm}"}}\n'.encode()
        check(address, Case("/health", "", 503, reason, "GET"))
        ready = ask(address, request("/readyz"))
        if alarm == "NOSPACE":
            assert ready.body == b"ok\n"
        else:
            assert ready.status.startswith("HTTP/1.1 503 ")
            assert b"[-]data_corruption failed: alarm activated: CORRUPT\n" in ready.body
            assert ready.body.endswith(b"\n\n")
    finally:
        switch("DEACTIVATE")


# -------------------- over WebSocket

WATCH = '{"create_request":{"key":"bm9ib2R5IHB1dHMgdGhpcw=="}}'


@pytest.mark.parametrize("path", ["/v3/watch", "/v3beta/watch?x=y"])
@pytest.mark.parametrize("origin", [None, "http://elsewhere"])
def test_each_text_is_a_request_and_each_line_a_text(
    address: str, path: str, origin: str | None
) -> None:
    with connect(f"ws://{address}{path}", origin=cast(Origin, origin)) as socket:
        assert socket.response is not None
        headers = {name.lower() for name in socket.response.headers} - {"date"}
        assert headers == {"upgrade", "connection", "sec-websocket-accept"}
        for number in ("", "1", "2"):
            socket.send(WATCH if number != "2" else WATCH.encode())
            created = json.loads(socket.recv(30))["result"]
            assert (created["created"], created.get("watch_id", "")) == (True, number)


def test_token_may_come_as_a_protocol(address: str) -> None:
    protocols = [Subprotocol("Bearer"), Subprotocol("token")]
    with connect(f"ws://{address}/v3/watch", subprotocols=protocols) as socket:
        assert socket.subprotocol == "Bearer"
    with connect(f"ws://{address}/v3/watch", subprotocols=protocols[1:]) as socket:
        assert socket.subprotocol is None


def test_path_that_is_none_is_told_so_in_a_text(address: str) -> None:
    with connect(f"ws://{address}/v3/nope") as socket:
        assert json.loads(socket.recv(30)) == NOT_FOUND
        with pytest.raises(ConnectionClosed):
            socket.recv(30)


@pytest.mark.parametrize("path", ["/health", "/v3", "/nope"])
def test_other_paths_are_no_websockets(address: str, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{address}{path}"):
        pass
    asked = ask(address, request(path)).status
    assert refused.value.response.status_code == int(asked.split(" ")[1])


# -------------------- with users


@pytest.fixture(scope="module", params=STARTS)
def house(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that asks who asks: root, whose password is ``r``, or nobody, whose is ``n``."""
    for address in started(request.param):
        for path, body in (
            ("user/add", '{"name":"root","password":"r"}'),
            ("user/add", '{"name":"nobody","password":"n"}'),
            ("role/add", '{"name":"root"}'),
            ("user/grant", '{"user":"root","role":"root"}'),
            ("enable", ""),
        ):
            check(address, Case(f"/v3/auth/{path}", body, 200, {}))
        yield address


UNKNOWN = error(3, "etcdserver: user name is empty")

# Without the header, etcd's gateway takes its own connection's certificate for the caller's.
ACCEPT = {"Accept": "*/*"}

OF_STRANGERS: dict[str, Case] = {
    "range": Case(RANGE, '{"key":"Zm9v"}', 400, UNKNOWN),
    "keepalive": Case("/v3/lease/keepalive", '{"ID":"1"}', 400, {"error": UNKNOWN}),
    "snapshot": Case("/v3/maintenance/snapshot", "", 400, {"error": UNKNOWN}),
    "status": Case("/v3/maintenance/status", "", 400, UNKNOWN),
    "members": Case("/v3/cluster/member/list", "", 400, UNKNOWN),
    "alarms": Case("/v3/maintenance/alarm", "", 400, UNKNOWN),
    "lock": Case("/v3/lock/lock", '{"name":"YQ=="}', 500, error(2, UNKNOWN["message"])),
    "whether there are users": Case(
        "/v3/auth/status", "", 200, {"enabled": True, "authRevision": "5"}
    ),
    "a wrong password": Case(
        "/v3/auth/authenticate",
        '{"name":"root","password":"x"}',
        400,
        error(3, "etcdserver: authentication failed, invalid user ID or password"),
    ),
    "a token that is none": Case(
        RANGE,
        '{"key":"Zm9v"}',
        401,
        error(16, "etcdserver: invalid auth token"),
        headers={"Authorization": "nope"},
    ),
    "a token where nobody looks": Case(
        RANGE, '{"key":"Zm9v"}', 400, UNKNOWN, headers={"Token": "nope"}
    ),
    "a token in a header of metadata": Case(
        RANGE,
        '{"key":"Zm9v"}',
        401,
        error(16, "etcdserver: invalid auth token"),
        headers={"Grpc-Metadata-Token": "nope"},
    ),
    "health": Case("/health", "", 200, b'{"health":"true","reason":""}', "GET"),
    "life": Case("/livez", "", 200, b"ok\n", "GET"),
}


@pytest.mark.parametrize("name", OF_STRANGERS)
def test_stranger_has_this_answer(house: str, name: str) -> None:
    check(house, OF_STRANGERS[name], **ACCEPT)


def test_who_is_refused_is_told_how_to_come_in(house: str) -> None:
    answer = check(house, OF_STRANGERS["a token that is none"], **ACCEPT)
    assert answer.headers["Www-Authenticate"] == "etcdserver: invalid auth token"


DENIED = error(7, "etcdserver: permission denied")


@pytest.mark.parametrize(
    "case",
    [
        Case(RANGE, '{"key":"Zm9v"}', 403, DENIED),
        Case("/v3/maintenance/defragment", "", 403, DENIED),
        Case("/v3/maintenance/hash", "", 403, DENIED),
        Case("/v3/maintenance/snapshot", "", 403, {"error": DENIED}),
        Case("/v3/lock/lock", '{"name":"YQ=="}', 500, error(2, DENIED["message"])),
    ],
    ids=lambda case: case.path,
)
def test_user_without_rights_is_denied(house: str, case: Case) -> None:
    login = Case("/v3/auth/authenticate", '{"name":"nobody","password":"n"}', 200, {})
    token = json.loads(answer_to(house, login).body)["token"]
    check(house, case, Authorization=token, **ACCEPT)
    check(house, case, Authorization=f"Bearer {token}", **ACCEPT)
