"""Who may use v2 while authentication is on, and what is told of users."""

from __future__ import annotations

from base64 import b64encode

import pytest

from etcdpy.http.v2.authentication import RootOnly, auth_endpoints
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import UserAddOptions
from etcdpy.transport import HttpRequest, HttpResponse
from tests.unit.http.v2.asking import CLUSTER, JSON, ask
from tests.unit.node.nodes import ANYBODY

REFUSED = HttpResponse(401, (JSON,), b'{"message":"Insufficient credentials"}')
KEYS_REFUSED = HttpResponse(
    401,
    (JSON, CLUSTER, (b"x-etcd-index", b"0")),
    b'{"errorCode":110,"message":"The request requires user authentication",'
    b'"cause":"Insufficient credentials","index":0}\n',
)
LET_IN = HttpResponse(299)


async def everything(request: HttpRequest) -> HttpResponse:
    return LET_IN


@pytest.fixture
async def node(open_node: Node) -> Node:
    node = open_node
    for name in ("root", "other"):
        await node.user_add(pb.AuthUserAddRequest(name=name, password=f"{name}:pw"), ANYBODY)
    options = UserAddOptions(no_password=True)
    await node.user_add(pb.AuthUserAddRequest(name="nopw", options=options), ANYBODY)
    await node.role_add(pb.AuthRoleAddRequest(name="root"), ANYBODY)
    for name in ("root", "nopw"):
        await node.user_grant_role(pb.AuthUserGrantRoleRequest(user=name, role="root"), ANYBODY)
    return node


async def switch_on(node: Node) -> None:
    await node.auth_enable(pb.AuthEnableRequest(), ANYBODY)


def basic(name: str, password: str) -> str:
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


class Door:
    def __init__(self, node: Node, path: str = "/v2/members") -> None:
        self._path = path
        self._handler = RootOnly(node).guarded({path: everything})[path]

    async def ask(self, authorization: str | None = None) -> HttpResponse:
        if authorization is None:
            return await ask(self._handler, self._path)
        return await ask(self._handler, self._path, authorization=authorization)


async def test_nobody_is_asked_while_it_is_off(node: Node) -> None:
    door = Door(node)
    assert await door.ask() == await door.ask(basic("root", "wrong")) == LET_IN


async def test_root_is_let_in_by_its_password(node: Node) -> None:
    await switch_on(node)
    door = Door(node)
    for _ in range(2):
        assert await door.ask(basic("root", "root:pw")) == LET_IN
    assert await door.ask(basic("root", "root:pw").replace("Basic", "bASIC")) == LET_IN


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        basic("root", "wrong"),
        basic("root", ""),
        basic("nobody", "root:pw"),
        basic("other", "other:pw"),
        basic("nopw", ""),
        "Bearer " + basic("root", "root:pw")[6:],
        "Basic !!!",
        "Basic é",
        "Basic " + b64encode(b"root").decode(),
        "Basic " + b64encode(b"\xff:\xff").decode(),
        "Basic " + b64encode(b"root:\xff").decode(),
    ],
)
async def test_others_are_not(node: Node, authorization: str | None) -> None:
    await switch_on(node)
    assert await Door(node).ask(authorization) == REFUSED


@pytest.mark.parametrize("path", ["/v2/keys", "/v2/keys/", "/mod/v2/lock/"])
async def test_refusal_about_keys_is_an_error_of_keys(node: Node, path: str) -> None:
    await switch_on(node)
    assert await Door(node, path).ask() == KEYS_REFUSED


async def test_who_was_let_in_is_forgotten_when_users_change(node: Node) -> None:
    await switch_on(node)
    door = Door(node)
    assert await door.ask(basic("root", "root:pw")) == LET_IN
    change = pb.AuthUserChangePasswordRequest(name="root", password="new")
    await node.user_change_password(change, ANYBODY)
    assert await door.ask(basic("root", "root:pw")) == REFUSED
    assert await door.ask(basic("root", "new")) == LET_IN


async def test_what_is_told_of_users(node: Node) -> None:
    table = auth_endpoints(node)

    async def told(name: str) -> object:
        answer = await ask(table[f"/v2/auth/{name}"], f"/v2/auth/{name}")
        assert (answer.status, answer.headers) == (200, (JSON, CLUSTER))
        return answer.body

    assert await told("enable") == b'{"enabled":false}\n'
    assert await told("users") == b'{"users":null}\n'
    assert await told("roles") == (
        b'{"roles":[{"role":"root","permissions":{"kv":{"read":["/*"],"write":["/*"]}}}]}\n'
    )
    await switch_on(node)
    assert await told("enable") == b'{"enabled":true}\n'


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
async def test_nothing_of_users_can_be_changed(node: Node, method: str) -> None:
    for path, handler in auth_endpoints(node).items():
        answer = await ask(handler, path, method)
        assert answer.status == 405
        assert (b"allow", b"GET") in answer.headers
