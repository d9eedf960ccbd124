"""What is told of a node beside its API, and how healthy it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etcdpy.errors import StoppedError
from etcdpy.http.endpoints import health_endpoints, process_endpoints, version_endpoint
from etcdpy.mvcc.store import Store
from etcdpy.node.node import Node
from etcdpy.pb.rpc_pb2 import CORRUPT, NOSPACE
from etcdpy.transport import Body, HttpRequest, HttpResponse
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import make_node

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")


@pytest.fixture
async def node() -> Node:
    log = FakeLog()
    return make_node(Store(log), log)


async def get(node: Node, path: str, method: str = "GET") -> HttpResponse:
    table = {**health_endpoints(node), **version_endpoint(node), **process_endpoints(["a", "b"])}
    request = HttpRequest(method, path, "x", (), Body(), "ipv4:1.1.1.1:1")
    return await table[path.partition("?")[0]](request)


async def told(node: Node, path: str) -> tuple[int, bytes]:
    response = await get(node, path)
    assert isinstance(response.body, bytes)
    return response.status, response.body


def raise_alarm(node: Node, kind: Any) -> None:
    node.parts.alarms.activate(1, kind)


async def test_version(node: Node) -> None:
    node.parts.versions.cluster = "3.6.0"
    answer = await get(node, "/version")
    assert answer.headers == (JSON,)
    assert answer.body == b'{"etcdserver":"3.7.1","etcdcluster":"3.6.0","storage":"3.6.0"}'


async def test_variables_of_the_process(node: Node) -> None:
    status, body = await told(node, "/debug/vars")
    assert status == 200
    assert body.startswith(b'{\n"cmdline": ["a","b"],\n"file_descriptor_limit": ')
    assert body.endswith(b"}\n}\n")
    assert json.loads(body)["memstats"]["Sys"] > 1 << 20


@pytest.mark.parametrize("path", ["/version", "/health", "/livez", "/readyz", "/debug/vars"])
@pytest.mark.parametrize("method", ["HEAD", "POST", "FOO"])
async def test_other_methods_are_not_allowed(node: Node, path: str, method: str) -> None:
    answer = await get(node, path, method)
    assert (answer.status, answer.body) == (405, b"Method Not Allowed\n")
    assert answer.headers[:2] == ((b"allow", b"GET"), TEXT)


class TestHealth:
    async def test_of_a_node_that_is_well(self, node: Node) -> None:
        answer = await get(node, "/health")
        assert (answer.status, answer.headers) == (200, (TEXT,))
        assert answer.body == b'{"health":"true","reason":""}'

    async def test_alarm_is_a_reason(self, node: Node) -> None:
        raise_alarm(node, NOSPACE)
        failed = (503, b'{"health":"false","reason":"ALARM NOSPACE"}\n')
        assert await told(node, "/health") == failed
        assert await told(node, "/health?exclude=nospace&exclude=") == failed

    async def test_alarms_can_be_left_out(self, node: Node) -> None:
        raise_alarm(node, NOSPACE)
        raise_alarm(node, CORRUPT)
        assert await told(node, "/health?exclude=NOSPACE") == (
            503,
            b'{"health":"false","reason":"ALARM CORRUPT"}\n',
        )
        assert (await told(node, "/health?exclude=NOSPACE&exclude=CORRUPT"))[0] == 200

    @pytest.mark.parametrize("query", ["", "?serializable=true"])
    async def test_read_that_fails_is_a_reason(
        self, node: Node, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise StoppedError

        monkeypatch.setattr(node, "range", fail)
        assert await told(node, f"/health{query}") == (
            503,
            b'{"health":"false","reason":"RANGE ERROR:etcdserver: server stopped"}\n',
        )
        assert await told(node, "/livez") == (
            503,
            b"[-]serializable_read failed: etcdserver: server stopped\n\n",
        )


class TestChecks:
    ALL = (
        b"[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n"
        b"[+]non_learner ok\n"
    )

    async def test_of_a_node_that_is_well(self, node: Node) -> None:
        for path in ("/livez", "/readyz", "/livez/serializable_read", "/readyz/non_learner"):
            assert await told(node, path) == (200, b"ok\n")

    async def test_each_is_told_if_that_is_wanted(self, node: Node) -> None:
        assert await told(node, "/livez?verbose") == (200, b"[+]serializable_read ok\nok\n")
        assert await told(node, "/readyz?verbose=false") == (200, self.ALL + b"ok\n")

    async def test_corruption_is_told_with_all_others(self, node: Node) -> None:
        raise_alarm(node, CORRUPT)
        failed = self.ALL.replace(
            b"[+]data_corruption ok", b"[-]data_corruption failed: alarm activated: CORRUPT"
        )
        assert await told(node, "/readyz") == (503, failed + b"\n")
        assert (await told(node, "/readyz/data_corruption"))[0] == 503
        assert (await told(node, "/readyz/data_corruption?exclude=data_corruption"))[0] == 503
        assert await told(node, "/livez") == (200, b"ok\n")

    async def test_lack_of_space_is_no_failure(self, node: Node) -> None:
        raise_alarm(node, NOSPACE)
        assert await told(node, "/readyz") == (200, b"ok\n")

    async def test_checks_can_be_left_out(
        self, node: Node, caplog: pytest.LogCaptureFixture
    ) -> None:
        raise_alarm(node, CORRUPT)
        status, body = await told(node, "/readyz?exclude=data_corruption&exclude=no&verbose")
        assert (status, body) == (200, self.ALL.partition(b"\n")[2] + b"ok\n")
        assert [record.getMessage() for record in caplog.records] == [
            "some health checks cannot be excluded"
        ]
