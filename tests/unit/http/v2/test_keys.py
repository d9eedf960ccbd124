"""Requests for keys are dispatched as in etcd, and answered with its statuses and headers."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest

from etcdpy.http.v2.keys import Keys
from etcdpy.node.audit import Auditor
from etcdpy.node.node import Node
from etcdpy.node.v2 import ITSELF
from etcdpy.storage import StorageError
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import HttpResponse
from tests.support.seeds import SEED
from tests.unit.http.v2.asking import CLUSTER, JSON, ask
from tests.unit.node.audited import Lines, words
from tests.unit.node.test_node import config

FORM = "application/x-www-form-urlencoded"


class Client:
    """Asks the keys of a node."""

    def __init__(self, node: Node) -> None:
        assert node.parts.v2 is not None
        self.v2 = node.parts.v2
        self.node = node
        self._handler = Keys(node, self.v2).endpoint()["/v2/keys/"]

    async def ask(self, method: str, target: str, body: str = "") -> HttpResponse:
        path = f"/v2/keys{target}"
        return await ask(self._handler, path, method, body.encode(), content_type=FORM)

    async def told(self, method: str, target: str, body: str = "") -> tuple[int, Any]:
        answer = await self.ask(method, target, body)
        assert isinstance(answer.body, bytes)
        return answer.status, json.loads(answer.body)

    async def outcome(self, method: str, target: str, body: str = "") -> tuple[int, object]:
        """Return the status, and the action or the code."""
        status, told = await self.told(method, target, body)
        return status, told.get("action") or told["errorCode"]


@pytest.fixture
async def client(open_node: Node) -> Client:
    made = Client(open_node)
    await made.v2.set("/k", "v")
    await made.v2.set("/d/k", "v")
    return made


@pytest.mark.parametrize(
    ("method", "target", "body", "outcome"),
    [
        ("PUT", "/new", "value=1", (201, "set")),
        ("PUT", "/k", "value=1", (200, "set")),
        ("PUT", "/k", "prevExist=true", (200, "update")),
        ("PUT", "/k", "prevExist=true&prevValue=v", (200, "compareAndSwap")),
        ("PUT", "/k", "prevExist=true&prevIndex=4", (200, "compareAndSwap")),
        ("PUT", "/k", "prevExist=false", (412, 105)),
        ("PUT", "/new", "prevExist=false&prevValue=x", (201, "create")),
        ("PUT", "/k", "prevValue=v", (200, "compareAndSwap")),
        ("PUT", "/k", "prevIndex=9", (412, 101)),
        ("PUT", "/k", "prevIndex=0", (200, "set")),
        ("PUT", "/new", "dir=true", (201, "set")),
        ("PUT", "/d", "dir=true&ttl=60&prevExist=true", (200, "update")),
        ("PUT", "/k", "refresh=true&ttl=5", (200, "set")),
        ("PUT", "", "value=1", (400, 107)),
        ("POST", "/q", "value=1", (201, "create")),
        ("POST", "", "value=1", (201, "create")),
        ("DELETE", "/k", "", (200, "delete")),
        ("DELETE", "/k?prevValue=v", "", (200, "compareAndDelete")),
        ("DELETE", "/k?prevIndex=9", "", (412, 101)),
        ("DELETE", "/d?recursive=true", "", (200, "delete")),
        ("DELETE", "/d?dir=true", "", (403, 108)),
        ("DELETE", "/d", "", (403, 102)),
        ("GET", "/k", "", (200, "get")),
        ("GET", "/k/", "", (200, "get")),
        ("GET", "/k?wait=true&quorum=true", "", (200, "get")),
        ("GET", "/none", "", (404, 100)),
        ("GET", "/k/x", "", (400, 104)),
    ],
)
async def test_request_is_dispatched(
    client: Client, method: str, target: str, body: str, outcome: tuple[int, object]
) -> None:
    assert await client.outcome(method, target, body) == outcome


async def test_success_has_all_headers(client: Client) -> None:
    answer = await client.ask("PUT", "/k", "value=1")
    raft = b"%d" % client.node.parts.store.applied_index
    assert answer.headers == (
        JSON,
        CLUSTER,
        (b"x-etcd-index", b"6"),
        (b"x-raft-index", raft),
        (b"x-raft-term", b"2"),
    )


async def test_refusal_has_its_index(client: Client) -> None:
    found = await client.ask("GET", "/none")
    assert found.headers == (JSON, CLUSTER, (b"x-etcd-index", b"5"))
    unread = await client.ask("PUT", "/k", "ttl=x")
    assert unread.headers == (JSON, CLUSTER, (b"x-etcd-index", b"0"))


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("value=1", b"set"),
        ("prevExist=true", b"update"),
        ("prevIndex=4", b"compareAndSwap"),
        ("dir=true", b"set"),
    ],
)
async def test_quiet_write_names_its_action_alone(client: Client, body: str, action: bytes) -> None:
    answer = await client.ask("PUT", "/k", f"{body}&noValueOnSuccess=true")
    assert (answer.status, answer.body) == (200, b'{"action":"%s"}\n' % action)


async def test_what_was_deleted_is_shown_also_to_the_quiet(client: Client) -> None:
    _, told = await client.told("DELETE", "/k?noValueOnSuccess=true")
    assert told["prevNode"]["value"] == "v"


async def test_other_methods_are_not_allowed(client: Client) -> None:
    answer = await client.ask("PATCH", "/k")
    assert answer.status == 405
    assert (b"allow", b"HEAD,GET,PUT,POST,DELETE") in answer.headers
    assert CLUSTER not in answer.headers


async def test_path_that_is_not_clean_is_moved(client: Client) -> None:
    assert (await client.ask("GET", "/a%2F%2Fb")).status == 301


async def test_watch_is_answered_at_once_and_ends_with_an_event(client: Client) -> None:
    answer = await client.ask("GET", "/k?wait=true")
    assert answer.status == 200
    assert answer.is_endless
    assert (b"x-etcd-index", b"5") in answer.headers
    assert not isinstance(answer.body, bytes)
    written = await client.ask("PUT", "/k", "value=1")
    assert [line async for line in answer.body] == [written.body]


async def test_watch_of_what_is_forgotten_is_refused(client: Client) -> None:
    for _ in range(1000):
        client.v2._record(client.v2.tree.set("/k", "", now=0), ITSELF)
    await client.v2.set("/k", "")
    status, told = await client.told("GET", "/k?wait=true&waitIndex=1")
    assert (status, told["errorCode"], told["index"]) == (400, 401, 1006)
    assert told["cause"] == "the requested history has been cleared [7/1]"


async def test_node_that_cannot_write_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StorageError("no disk")

    monkeypatch.setattr(client.v2, "set", fail)
    status, told = await client.told("PUT", "/k", "value=1")
    assert (status, told["errorCode"], told["cause"]) == (500, 300, "etcdserver: server stopped")


async def test_any_request_is_answered(client: Client) -> None:
    print(f"seed {SEED}")
    random = Random(SEED)
    words = [
        "value",
        "ttl",
        "dir",
        "prevExist",
        "prevIndex",
        "refresh",
        "recursive",
        "wait",
        "/",
        "k",
    ]
    pieces = [
        *words,
        "=",
        "&",
        "?",
        "%",
        "%2F",
        "%ff",
        "+",
        ";",
        "true",
        "1",
        "-1",
        "\xe9",
        "//",
        "..",
    ]

    def noise() -> str:
        return "".join(random.choice(pieces) for _ in range(random.randrange(8)))

    for _ in range(500):
        method = random.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"])
        target, body = f"/{noise()}?{noise()}", noise()
        answer = await client.ask(method, target, body)
        assert answer.status in (200, 201, 301, 400, 403, 404, 405, 412), (method, target, body)
        if isinstance(answer.body, bytes) and answer.headers[0] == JSON:
            assert json.loads(answer.body)
    assert (await client.ask("GET", "")).status == 200


async def test_writes_are_in_the_audit_log(tmp_path: Path) -> None:
    lines, clock = Lines(), MovableClock()
    auditor = Auditor(lines, clock.wall, words)
    async with Node.open(config(tmp_path, enable_v2=True), clock, audit=auditor) as node:
        client = Client(node)
        await client.ask("PUT", "/k?ttl=1&value=secret")
        await client.ask("GET", "/k")
        await client.ask("PUT", "/k?prevExist=false")
        await clock.advance(2)
        await client.v2.settled()
        node.parts.users.is_enabled = True
        by_root = b64encode(b"root:x").decode()
        handler = Keys(node, client.v2).handle
        await ask(handler, "/v2/keys/q", "POST", authorization=f"Basic {by_root}")
    told = [json.loads(line) for line in lines.texts if '"/v2/keys' in line]
    assert [
        (line["method"], line["peer"], line.get("user"), line["index"], line["ops"])
        for line in told
    ] == [
        ("/v2/keys:set", "ipv4:1.1.1.1:1", None, 4, [{"op": "put", "key": "/k"}]),
        ("/v2/keys:expire", "internal:v2 expiry", None, 5, [{"op": "delete", "key": "/k"}]),
        (
            "/v2/keys:create",
            "ipv4:1.1.1.1:1",
            "root",
            6,
            [{"op": "put", "key": "/q/00000000000000000006"}],
        ),
    ]
    assert not any("secret" in line for line in lines.texts)
