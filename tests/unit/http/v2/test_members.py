"""The members, and changes of them."""

from __future__ import annotations

import pytest

from etcdpy.http.v2.members import Members
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import HttpResponse
from tests.unit.http.v2.asking import CLUSTER, JSON, NOSNIFF, TEXT, ask, without_length
from tests.unit.node.nodes import ANYBODY

OWN = "f693000000000001"
SHOWN = (
    b'{"id":"f693000000000001","name":"here","peerURLs":["http://127.0.0.1:2380"],'
    b'"clientURLs":["http://127.0.0.1:2379"]}'
)


async def send(
    open_node: Node, method: str, path: str = "", body: str = "", kind: str = "application/json"
) -> HttpResponse:
    path = f"/v2/members{path}"
    table = Members(open_node).endpoint()
    handler = table.get(path) or table["/v2/members/"]
    return await ask(handler, path, method, body.encode(), content_type=kind)


def refusal(status: int, text: str) -> HttpResponse:
    quoted = text.replace('"', r"\"")
    return HttpResponse(status, (JSON, CLUSTER), f'{{"message":"{quoted}"}}'.encode())


@pytest.mark.parametrize("path", ["", "/", "?x=y"])
async def test_all_are_listed(open_node: Node, path: str) -> None:
    assert await send(open_node, "GET", path) == HttpResponse(
        200, (JSON, CLUSTER), b'{"members":[%s]}\n' % SHOWN
    )


async def test_learners_are_listed_too(open_node: Node) -> None:
    await open_node.member_add(
        pb.MemberAddRequest(peerURLs=["http://b:1"], isLearner=True), ANYBODY
    )
    answer = await send(open_node, "GET")
    assert isinstance(answer.body, bytes)
    assert b'"name":"","peerURLs":["http://b:1"],"clientURLs":[]}' in answer.body


async def test_leader_is_this_one(open_node: Node) -> None:
    assert await send(open_node, "GET", "/leader") == HttpResponse(
        200, (JSON, CLUSTER), SHOWN + b"\n"
    )


@pytest.mark.parametrize("path", ["/x", "/leader/", f"/{OWN}", "/%2F"])
async def test_nothing_else_can_be_read(open_node: Node, path: str) -> None:
    assert await send(open_node, "GET", path) == refusal(404, "Not found")


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "get"])
async def test_other_methods_are_not_allowed(open_node: Node, method: str) -> None:
    answer = await send(open_node, method)
    assert (answer.status, answer.body) == (405, b"Method Not Allowed\n")
    assert without_length(answer) == [(b"allow", b"GET,POST,DELETE,PUT"), TEXT, NOSNIFF]


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
@pytest.mark.parametrize("path", ["", "/"])
async def test_change_needs_an_id(open_node: Node, method: str, path: str) -> None:
    answer = await send(open_node, method, path)
    assert (answer.status, answer.body) == (405, b"Method Not Allowed\n")
    assert without_length(answer) == [TEXT, NOSNIFF, CLUSTER]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("Application/JSON", "Application/JSON"),
        (" Text/Plain ; charset=x", "text/plain"),
        ("", ""),
    ],
)
async def test_body_has_to_be_json(open_node: Node, given: str, told: str) -> None:
    expected = refusal(415, f"Bad Content-Type {told}, accept application/json")
    assert await send(open_node, "POST", "", "{}", given) == expected
    assert await send(open_node, "PUT", f"/{OWN}", "{}", given) == expected


async def test_content_type_may_have_parameters(open_node: Node) -> None:
    answer = await send(open_node, "POST", "", "{}", "Application/JSON ; charset=utf-8")
    assert answer == refusal(400, "no valid URLs given")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "unexpected end of JSON input"),
        ("{}", "no valid URLs given"),
        (
            '{"peerURLs":["bogus"]}',
            "URL scheme must be http, https, unix, or unixs: bogus",
        ),
        (
            '{"peerURLs":["http://h"]}',
            'URL address does not have the form "host:port": http://h',
        ),
        ('{"peerURLs":["http://h:1/path"]}', "URL must not contain a path: http://h:1/path"),
        (" " * (1 << 20) + "{}", "http: request body too large"),
    ],
)
async def test_bodies_that_are_refused(open_node: Node, body: str, text: str) -> None:
    assert await send(open_node, "POST", "", body) == refusal(400, text)
    assert await send(open_node, "PUT", f"/{OWN}", body) == refusal(400, text)


async def test_peer_url_can_be_had_once(open_node: Node) -> None:
    answer = await send(open_node, "POST", "/x", '{"peerURLs":["http://127.0.0.1:2380"]}')
    assert answer == refusal(409, "membership: peerURL exists")


async def test_no_voter_is_taken_in(open_node: Node) -> None:
    answer = await send(open_node, "POST", "", '{"name":"n","peerURLs":["http://b:1"]}')
    assert answer == refusal(500, "Internal Server Error")
    assert not open_node.parts.membership.learners


@pytest.mark.parametrize("own", [OWN, OWN.upper(), "0" + OWN])
async def test_peer_urls_can_be_changed(open_node: Node, own: str) -> None:
    body = '{"peerURLs":["http://c:1","http://b:1"]}'
    assert await send(open_node, "PUT", f"/{own}", body) == HttpResponse(204, (CLUSTER,))
    assert open_node.identity.peer_urls == ("http://b:1", "http://c:1")


async def test_learner_can_be_removed_once(open_node: Node) -> None:
    request = pb.MemberAddRequest(peerURLs=["http://b:1"], isLearner=True)
    learner = f"{(await open_node.member_add(request, ANYBODY)).member.ID:x}"
    taken = '{"peerURLs":["http://127.0.0.1:2380"]}'
    expected = refusal(409, "membership: peerURL exists")
    assert await send(open_node, "PUT", f"/{learner}", taken) == expected
    assert await send(open_node, "DELETE", f"/{learner}") == HttpResponse(204, (CLUSTER,))
    gone = refusal(410, f"Member permanently removed: {learner}")
    assert await send(open_node, "DELETE", f"/{learner}") == gone


async def test_this_member_cannot_be_removed(open_node: Node) -> None:
    assert await send(open_node, "DELETE", f"/{OWN}") == refusal(500, "Internal Server Error")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/abc", "abc"),
        ("/ABC", "abc"),
        ("/zzz", "zzz"),
        (f"/{OWN}/", f"{OWN}/"),
        ("/1" + "0" * 16, "1" + "0" * 16),
        ("/0_1", "0_1"),
    ],
)
async def test_unknown_member(open_node: Node, path: str, told: str) -> None:
    expected = refusal(404, f"No such member: {told}")
    assert await send(open_node, "DELETE", path) == expected
    assert await send(open_node, "PUT", path, '{"peerURLs":["http://b:1"]}') == expected
