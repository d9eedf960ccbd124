"""The gateway: JSON in, JSON out, and what is asked in between."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import pytest

from etcdpy.cooperative import LongReply, Pieces
from etcdpy.http.gateway import MADE_AT_ONCE, Gateway
from etcdpy.http.json_encode import BASE64, PIECE
from etcdpy.memory import Account
from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.registration import register_all
from etcdpy.transport.http import (
    ArrivingBody,
    Body,
    BodyBrokenError,
    HttpRequest,
    HttpResponse,
)
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TimedNode, opened

MOST_BYTES = 2 * 1024 * 1024
A = b64encode(b"a").decode()


class Door:
    """A node behind a gateway."""

    def __init__(self, timed: TimedNode) -> None:
        self.timed = timed
        self.gateway = Gateway(timed.clock, MOST_BYTES)
        register_all(self.gateway, timed.node, timed.queues)

    async def send(
        self,
        path: str,
        body: Body | bytes | dict[str, Any] = b"",
        method: str = "POST",
        account: Account | None = None,
        **headers: str,
    ) -> HttpResponse:
        """Send a request; the disk has what it writes."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        if isinstance(body, bytes):
            body = Body(body)
        fields = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
        request = HttpRequest(method, path, "", fields, body, "ipv4:10.0.0.1:5", account=account)
        task = asyncio.ensure_future(self.gateway.handle(request))
        while not task.done():
            await self.timed.settle()
        return task.result()

    async def ask(self, path: str, body: bytes | dict[str, Any] = b"", **headers: str) -> Any:
        """Return the status and the reply to a request."""
        response = await self.send(path, body, "POST", None, **headers)
        content = response.body
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        return response.status, json.loads(content)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as timed:
        yield Door(timed)
        timed.node.parts.tokens.close()
        timed.node.parts.passwords.close()


async def lines(response: HttpResponse, count: int, door: Door) -> list[Any]:
    """Return the first lines of a stream."""
    assert not isinstance(response.body, bytes)
    found: list[Any] = []
    taking = response.body.__aiter__()
    while len(found) < count:
        step = asyncio.ensure_future(taking.__anext__())
        while not step.done():
            await door.timed.settle()
        piece = step.result()
        assert piece.endswith(b"\n")
        found.append(json.loads(piece))
    return found


async def test_put_and_range_answer_as_etcds_do(door: Door) -> None:
    status, reply = await door.ask("/v3/kv/put", {"key": A, "value": A})
    assert status == 200
    assert reply["header"]["revision"] == "2"
    status, reply = await door.ask("/v3/kv/range", {"key": A})
    assert reply["kvs"] == [
        {"key": A, "create_revision": "2", "mod_revision": "2", "version": "1", "value": A}
    ]
    assert reply["count"] == "1"


async def test_answer_has_the_headers_of_etcds(door: Door) -> None:
    response = await door.send("/v3/kv/range", {"key": A})
    assert isinstance(response.body, bytes)
    assert list(response.headers) == [
        (b"content-type", b"application/json"),
        (b"grpc-metadata-content-type", b"application/grpc"),
        (b"content-length", b"%d" % len(response.body)),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("/v3/kv/range", b"{}", 400, 3, "etcdserver: key is not provided"),
        ("/v3/kv/range", b"", 400, 3, "etcdserver: key is not provided"),
        ("/v3/kv/nope", b"", 404, 5, "Not Found"),
        ("/v3/kv/range/", b"", 404, 5, "Not Found"),
        ("/v3/kv/range", b'{"key":', 400, 3, "unexpected EOF"),
        (
            "/v3/kv/put",
            b'{"key":"YQ==","lease":"9"}',
            404,
            5,
            "etcdserver: requested lease not found",
        ),
        ("/v3/election/leader", b'{"name":"YQ=="}', 500, 2, "election: no leader"),
        ("/v3/election/proclaim", b"{}", 500, 2, '"leader" field must be provided'),
        ("/v3/kv/txn", b'{"success":[{}]}', 400, 3, "etcdserver: key not found"),
        (
            "/v3/kv/range",
            b'{"key":"YQ==","revision":"9999"}',
            400,
            11,
            "etcdserver: mvcc: required revision is a future revision",
        ),
    ],
)
async def test_what_is_wrong_is_told_as_etcd_tells_it(
    door: Door, path: str, body: bytes, status: int, code: int, message: str
) -> None:
    assert await door.ask(path, body) == (status, {"code": code, "message": message})


async def test_query_is_not_looked_at(door: Door) -> None:
    status, _ = await door.ask("/v3/kv/range?key=x", {"key": A})
    assert status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "FOO"])
async def test_nothing_but_post_is_allowed(door: Door, method: str) -> None:
    response = await door.send("/v3/kv/range", method=method)
    assert (response.status, response.body) == (
        501,
        b'{"code":12,"message":"Method Not Allowed"}',
    )


async def test_request_that_is_too_large_is_refused_by_its_size_as_a_message(door: Door) -> None:
    value = b64encode(b"x" * MOST_BYTES).decode()
    status, reply = await door.ask("/v3/kv/put", {"key": A, "value": value})
    assert (status, reply["code"]) == (429, 8)
    assert reply["message"].startswith("grpc: received message larger than max (20")
    value = b64encode(b"x" * (1536 * 1024)).decode()
    status, reply = await door.ask("/v3/kv/put", {"key": A, "value": value})
    assert (status, reply["message"]) == (400, "etcdserver: request is too large")


async def test_body_that_has_no_end_is_refused(door: Door) -> None:
    body = Body(b" " * (6 * MOST_BYTES + 1))
    response = await door.send("/v3/kv/put", body)
    assert response.status == 429


async def test_large_reply_comes_in_pieces(door: Door) -> None:
    for number in range(40):
        value = b64encode(b"x" * 5000).decode()
        key = b64encode(b"k%d" % number).decode()
        await door.ask("/v3/kv/put", {"key": key, "value": value})
    response = await door.send("/v3/kv/range", {"key": "AA==", "range_end": "AA=="})
    assert not isinstance(response.body, bytes)
    pieces = [piece async for piece in response.body]
    assert len(pieces) > 2
    assert json.loads(b"".join(pieces))["count"] == "40"


async def test_transaction_is_read_and_answered_whole(door: Door) -> None:
    request = {
        "compare": [{"key": A, "target": "VERSION", "version": "0"}],
        "success": [{"request_put": {"key": A, "value": A}}, {"requestRange": {"key": A}}],
    }
    status, reply = await door.ask("/v3/kv/txn", request)
    assert status == 200
    assert reply["succeeded"] is True
    assert reply["responses"][0] == {"response_put": {"header": {"revision": "2"}}}
    assert reply["responses"][1]["response_range"]["kvs"][0]["value"] == A


async def test_call_that_has_no_time_is_told_so(door: Door) -> None:
    for timeout in ("-1S", "9223372036854775807S"):
        answer = await door.ask("/v3/kv/range", {"key": A}, grpc_timeout=timeout)
        assert answer == (504, {"code": 4, "message": "context deadline exceeded"}), timeout
    for timeout in ("abc", "S", "5s", "9223372036854775808n", "1.5S"):
        answer = await door.ask("/v3/kv/range", {"key": A}, grpc_timeout=timeout)
        assert answer == (400, {"code": 3, "message": f"invalid grpc-timeout: {timeout}"})
    for timeout in ("5S", "0n", "+5m"):
        status, _ = await door.ask("/v3/kv/range", {"key": A}, grpc_timeout=timeout)
        assert status == 200, timeout


async def test_caller_is_known_by_its_header(door: Door) -> None:
    node = door.timed.node
    for change in (
        node.user_add(pb.AuthUserAddRequest(name="root", password="r"), ANYBODY),
        node.user_grant_role(pb.AuthUserGrantRoleRequest(user="root", role="root"), ANYBODY),
        node.auth_enable(pb.AuthEnableRequest(), ANYBODY),
    ):
        task = asyncio.ensure_future(change)
        while not task.done():
            await door.timed.settle()
        task.result()
    name_is_empty = {"code": 3, "message": "etcdserver: user name is empty"}
    assert await door.ask("/v3/kv/range", {"key": A}) == (400, name_is_empty)
    status, reply = await door.ask("/v3/kv/range", {"key": A}, authorization="x")
    assert (status, reply["code"]) == (401, 16)
    _, reply = await door.ask("/v3/auth/authenticate", {"name": "root", "password": "r"})
    status, _ = await door.ask("/v3/kv/range", {"key": A}, authorization=reply["token"])
    assert status == 200
    response = await door.send("/v3/lease/keepalive", {"ID": "1"})
    expected = b'{"error":{"code":3,"message":"etcdserver: user name is empty"}}\n'
    assert (response.status, response.body) == (400, expected)


# ------------------------------------------------------------------------ streams


def arriving() -> ArrivingBody:
    return ArrivingBody(lambda _: None, lambda: None)


async def test_watch_tells_of_events_as_they_come(door: Door) -> None:
    body = Body(json.dumps({"create_request": {"key": A}}).encode())
    response = await door.send("/v3/watch", body)
    assert response.status == 200
    assert response.is_endless
    (created,) = await lines(response, 1, door)
    assert created["result"]["created"] is True
    assert "watch_id" not in created["result"]
    await door.ask("/v3/kv/put", {"key": A, "value": A})
    (event,) = await lines(response, 1, door)
    assert event["result"]["events"][0]["kv"]["value"] == A
    await door.ask("/v3/kv/deleterange", {"key": A})
    (event,) = await lines(response, 1, door)
    assert event["result"]["events"][0]["type"] == "DELETE"
    assert not isinstance(response.body, bytes)
    await response.body.aclose()  # type: ignore[attr-defined]


async def test_watches_are_created_while_the_body_goes_on(door: Door) -> None:
    body = arriving()
    sending = asyncio.ensure_future(door.send("/v3/watch", body))
    await door.timed.settle()
    assert not sending.done()
    for watch_id in (7, 8):
        create = {"create_request": {"key": A, "watch_id": str(watch_id)}}
        body.feed(json.dumps(create).encode())
    response = await sending
    created = await lines(response, 2, door)
    assert [one["result"]["watch_id"] for one in created] == ["7", "8"]
    await response.body.aclose()  # type: ignore[union-attr]


async def test_body_that_is_no_json_is_the_end_of_a_body(door: Door) -> None:
    sending = asyncio.ensure_future(door.send("/v3/watch", Body(b"nonsense")))
    for _ in range(3):
        await door.timed.settle()
    assert not sending.done()
    sending.cancel()
    response = await door.send("/v3/lease/keepalive", b"nonsense")
    assert (response.status, response.headers, response.body) == (200, (), b"")


async def test_every_renewal_has_its_line(door: Door) -> None:
    response = await door.send("/v3/lease/keepalive", b'{"ID":"1"}{"ID":"99"}')
    renewed, unknown = await lines(response, 2, door)
    assert renewed["result"]["TTL"] == "100"
    assert unknown["result"].keys() == {"header", "ID"}
    assert not isinstance(response.body, bytes)
    assert [piece async for piece in response.body] == []


async def test_observer_is_told_who_leads(door: Door) -> None:
    await door.ask("/v3/election/campaign", {"name": "bQ==", "lease": "1", "value": A})
    response = await door.send("/v3/election/observe", {"name": "bQ=="})
    (leader,) = await lines(response, 1, door)
    assert leader["result"]["kv"]["value"] == A
    await response.body.aclose()  # type: ignore[union-attr]


async def test_requests_that_come_by_the_thousand_are_answered_in_order(door: Door) -> None:
    body = b"".join(b'{"ID":"%d"}' % lease for lease in range(1, 1001))
    response = await door.send("/v3/lease/keepalive", body)
    assert not isinstance(response.body, bytes)
    replies = [json.loads(piece) async for piece in response.body]
    assert [reply["result"]["ID"] for reply in replies] == [str(i) for i in range(1, 1001)]


async def test_stream_whose_time_is_up_ends_with_a_line_that_says_so(door: Door) -> None:
    body = Body(json.dumps({"create_request": {"key": A}}).encode())
    response = await door.send("/v3/watch", body, grpc_timeout="5S")
    await lines(response, 1, door)
    assert not isinstance(response.body, bytes)
    last = asyncio.ensure_future(response.body.__aiter__().__anext__())
    await asyncio.sleep(0)
    await door.timed.clock.advance(6)
    assert json.loads(await last) == {"error": {"code": 4, "message": "context deadline exceeded"}}


async def test_request_of_a_stream_with_one_request_is_read_like_any(door: Door) -> None:
    response = await door.send("/v3/election/observe", b"[]")
    assert response.status == 400
    assert response.body == (
        b'{"code":3,"message":"proto: syntax error (line 1:1): unexpected token ["}'
    )


async def test_replies_may_be_written_or_yielded(door: Door) -> None:
    ended = []

    async def snapshot(request: pb.SnapshotRequest, context: Any) -> None:
        try:
            for left in (2, 1, 0):
                await context.write(pb.SnapshotResponse(remaining_bytes=left))
            if context.user_agent != "all":
                await asyncio.get_running_loop().create_future()
        finally:
            ended.append(context.user_agent)

    handler: Any = grpc.unary_stream_rpc_method_handler(
        snapshot, request_deserializer=pb.SnapshotRequest.FromString
    )
    door.gateway.add_registered_method_handlers("etcdserverpb.Maintenance", {"Snapshot": handler})
    path = "/v3/maintenance/snapshot"
    response = await door.send(path, user_agent="all")
    assert not isinstance(response.body, bytes)
    told = [json.loads(line)["result"] async for line in response.body]
    assert told == [{"remaining_bytes": "2"}, {"remaining_bytes": "1"}, {}]
    response = await door.send(path, user_agent="one")
    assert await lines(response, 1, door) == [{"result": {"remaining_bytes": "2"}}]
    await response.body.aclose()  # type: ignore[union-attr]
    await door.timed.settle()
    assert ended == ["all", "one"]


async def test_no_reply_of_a_stream_is_made_before_the_one_before_is_taken(door: Door) -> None:
    made = []

    async def snapshot(request: pb.SnapshotRequest, context: Any) -> None:
        for left in (2, 1, 0):
            made.append(left)
            await context.write(pb.SnapshotResponse(remaining_bytes=left))

    handler: Any = grpc.unary_stream_rpc_method_handler(
        snapshot, request_deserializer=pb.SnapshotRequest.FromString
    )
    door.gateway.add_registered_method_handlers("etcdserverpb.Maintenance", {"Snapshot": handler})
    response = await door.send("/v3/maintenance/snapshot")
    await lines(response, 1, door)
    await door.timed.settle()
    assert made == [2]
    await lines(response, 1, door)
    assert made == [2, 1]
    await response.body.aclose()  # type: ignore[union-attr]


async def test_long_lines_are_made_some_at_a_time_and_counted_until_they_are_taken(
    door: Door,
) -> None:
    value = b64encode(bytes(2 * PIECE)).decode()
    await door.ask("/v3/kv/put", {"key": A, "value": value})
    account = Account()
    asked = json.dumps({"create_request": {"key": A, "start_revision": 2}}).encode()
    streams = []
    for _ in range(MADE_AT_ONCE + 2):
        response = await door.send("/v3/watch", Body(asked), account=account)
        await lines(response, 1, door)
        assert not isinstance(response.body, bytes)
        streams.append(response.body.__aiter__())
    taking = [asyncio.ensure_future(stream.__anext__()) for stream in streams]
    while not all(one.done() for one in taking):
        await door.timed.settle()
    for one in taking:
        (event,) = json.loads(one.result())["result"]["events"]
        assert event["kv"]["value"] == value
    assert account.held == sum(len(one.result()) for one in taking)
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]
    await door.timed.settle()
    assert account.held == 0
    # Nobody who left has kept others waiting.
    response = await door.send("/v3/watch", Body(asked))
    assert len(await lines(response, 2, door)) == 2
    await response.body.aclose()  # type: ignore[union-attr]


@pytest.mark.parametrize("is_made_later", [False, True])
async def test_long_reply_is_written_as_it_comes(door: Door, is_made_later: bool) -> None:
    kvs = [kv_pb2.KeyValue(key=b"k%d" % i, value=bytes(1000)) for i in range(100)]
    reply = pb.RangeResponse(header=pb.ResponseHeader(revision=5), kvs=kvs, count=100)
    data = reply.SerializeToString()
    parts = [data[at : at + 30_001] for at in range(0, len(data), 30_001)]

    async def pieces() -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part

    def range_(request: pb.RangeRequest, context: Any) -> Any:
        assert context.takes_long_replies
        return LongReply(len(data), b"", pieces()) if is_made_later else Pieces(list(parts))

    handler: Any = grpc.unary_unary_rpc_method_handler(
        range_, request_deserializer=pb.RangeRequest.FromString
    )
    door.gateway.add_registered_method_handlers("etcdserverpb.KV", {"Range": handler})
    account = Account()
    response = await door.send("/v3/kv/range", account=account)
    assert not isinstance(response.body, bytes)
    taken, held = [], []
    async for piece in response.body:
        taken.append(piece)
        held.append(account.held)
    assert b"".join(taken) == BASE64.encode(reply)
    assert len(taken) >= len(parts)
    # What is made as it is taken is held by nobody.
    assert set(held) == ({0} if is_made_later else {len(data)})
    assert account.held == 0


@pytest.mark.parametrize("path", ["/v3/watch", "/v3/election/observe", "/v3/lease/keepalive"])
async def test_stream_that_has_no_time_does_not_begin(door: Door, path: str) -> None:
    response = await door.send(path, {}, grpc_timeout="-1S")
    assert response.status == 504
    assert response.body == b'{"code":4,"message":"context deadline exceeded"}'


async def test_client_that_leaves_ends_its_watch(door: Door) -> None:
    body = Body(json.dumps({"create_request": {"key": A}}).encode())
    response = await door.send("/v3/watch", body)
    await lines(response, 1, door)
    await response.body.aclose()  # type: ignore[union-attr]
    await door.timed.settle()
    status, _ = await door.ask("/v3/kv/put", {"key": A})
    assert status == 200


async def test_client_that_leaves_while_its_body_goes_on_is_no_fault(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    body = arriving()
    body.feed(json.dumps({"create_request": {"key": A}}).encode())
    response = await door.send("/v3/watch", body)
    await lines(response, 1, door)
    assert not isinstance(response.body, bytes)
    taking = asyncio.ensure_future(anext(response.body))
    await door.timed.settle()
    body.fail(BodyBrokenError("the client has left"))
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()
    assert caplog.records == []


# --------------------------------------------------------------------------- text


async def test_bytes_are_text_both_ways_for_those_who_want_that(door: Door) -> None:
    status, _ = await door.ask("/v3/kv/put?utf8=true", {"key": "grüße", "value": "a\nb"})
    assert status == 200
    status, reply = await door.ask("/v3/kv/range?utf8=true", {"key": "grüße"})
    assert (reply["kvs"][0]["key"], reply["kvs"][0]["value"]) == ("grüße", "a\nb")
    _, reply = await door.ask("/v3/kv/range", {"key": b64encode("grüße".encode()).decode()})
    assert reply["kvs"][0]["value"] == b64encode(b"a\nb").decode()


async def test_bytes_that_are_no_text_are_marked_both_ways(door: Door) -> None:
    marked = {"base64": "/w=="}
    await door.ask("/v3/kv/put?utf8=true", {"key": marked, "value": marked})
    _, reply = await door.ask("/v3/kv/range?utf8=true", {"key": marked})
    assert (reply["kvs"][0]["key"], reply["kvs"][0]["value"]) == (marked, marked)
    status, _ = await door.ask("/v3/kv/range?utf8=true", {"key": {"base64": 5}})
    assert status == 400


async def test_bytes_are_base64_unless_text_is_asked_for(door: Door) -> None:
    for query in ("", "?utf8=false", "?utf8", "?utf8=1", "?other=true"):
        status, _ = await door.ask(f"/v3/kv/range{query}", {"key": "no base64"})
        assert status == 400, query


class Referable(ArrivingBody):
    """A body that can be referred to weakly."""


async def watching(door: Door) -> tuple[HttpResponse, Referable]:
    """Begin to watch a key, and return the answer and what it is asked by."""
    body = Referable(lambda _: None, lambda: None)
    body.feed(b'{"create_request":{"key":"YQ=="}}')
    response = await door.send("/v3/watch", body)
    await lines(response, 1, door)
    return response, body


async def test_nothing_of_a_watch_that_has_ended_waits_for_the_collector(door: Door) -> None:
    response, body = await watching(door)
    left = weakref.ref(body)
    gc.disable()
    try:
        body.fail(BodyBrokenError("gone"))
        for _ in range(5):
            await door.timed.settle()
        assert isinstance(response.body, AsyncGenerator)
        await response.body.aclose()
        await door.timed.settle()
        del response, body
        assert left() is None
    finally:
        gc.enable()


async def test_nor_does_that_of_one_that_is_cancelled_twice(door: Door) -> None:
    response, body = await watching(door)
    left = weakref.ref(body)
    assert isinstance(response.body, AsyncGenerator)
    gc.disable()
    try:
        reading = asyncio.ensure_future(anext(response.body))
        await door.timed.settle()
        for _ in range(2):
            reading.cancel()
            await asyncio.sleep(0)
        await asyncio.wait((reading,))
        await response.body.aclose()
        body.fail(BodyBrokenError("gone"))
        await door.timed.settle()
        del response, body, reading
        assert left() is None
    finally:
        gc.enable()


async def test_watch_tells_text(door: Door) -> None:
    body = Body(json.dumps({"create_request": {"key": "a"}}).encode())
    response = await door.send("/v3/watch?utf8=true", body)
    await lines(response, 1, door)
    await door.ask("/v3/kv/put", {"key": A, "value": A})
    (event,) = await lines(response, 1, door)
    assert event["result"]["events"][0]["kv"]["key"] == "a"
    await response.body.aclose()  # type: ignore[union-attr]
