"""What is served over HTTP, as the settings have it."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from etcdpy.concurrency.queues import Queues
from etcdpy.config import Config
from etcdpy.mvcc.store import Store
from etcdpy.server.http_doors import HttpDoors, open_gateway, open_http
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import Body, HttpHandler, HttpRequest, HttpResponse
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import make_node


def doors(gateway: HttpHandler | None = None, **settings: Any) -> HttpDoors:
    log = FakeLog()
    return open_http(Config(**settings), make_node(Store(log), log), gateway)


async def ask(handler: HttpHandler, path: str, **fields: str) -> HttpResponse:
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    request = HttpRequest("GET", path, "here:1", headers, Body(), "ipv4:1.1.1.1:1")
    return await handler(request)


async def statuses(handler: HttpHandler, *paths: str) -> list[int]:
    return [(await ask(handler, path)).status for path in paths]


async def test_clients_are_told_all_there_is() -> None:
    paths = ("/version", "/health", "/livez", "/readyz", "/metrics", "/debug/vars")
    assert await statuses(doors().clients, *paths) == [200] * 6
    assert await statuses(doors().clients, "/", "/metrics/") == [404] * 2


async def test_at_the_addresses_for_metrics_nothing_is_asked_and_little_told() -> None:
    metrics = doors(host_whitelist="good").metrics
    paths = ("/health", "/livez", "/readyz/non_learner", "/metrics")
    assert await statuses(metrics, *paths) == [200] * 4
    assert await statuses(metrics, "/version", "/debug/vars", "/v3/kv/put") == [404] * 3
    assert b"access-control-allow-origin" not in dict((await ask(metrics, "/health")).headers)


async def test_process_is_told_of_where_that_is_wanted() -> None:
    path = "/debug/pprof/threads"
    assert await statuses(doors().clients, path, "/debug/pprof") == [404, 404]
    for settings in ({"enable_pprof": True}, {"log_level": "debug"}):
        served = doors(**settings)
        assert await statuses(served.clients, path, "/debug/pprof") == [403, 307]
        assert await statuses(served.metrics, path) == [404]
        served.stop()
    everybody = doors(enable_pprof=True, pprof_allow_remote=True)
    assert await statuses(everybody.clients, path) == [200]
    assert await statuses(doors(pprof_allow_remote=True).clients, path) == [404]


async def test_hosts_and_origins_are_those_of_the_settings() -> None:
    clients = doors(host_whitelist="good,here", cors="http://a:1").clients
    answer = await ask(clients, "/version", origin="http://a:1")
    assert dict(answer.headers)[b"access-control-allow-origin"] == b"http://a:1"
    assert await statuses(doors(host_whitelist="good").clients, "/version") == [421]
    assert await statuses(doors(host_whitelist="").clients, "/version") == [421]


@pytest.mark.parametrize("path", ["/v3/kv/put", "/v3/nope"])
async def test_gateway_is_there_unless_it_is_switched_off(path: str) -> None:
    async def gateway(request: HttpRequest) -> HttpResponse:
        return HttpResponse(299)

    assert await statuses(doors(gateway).clients, path) == [299]
    without = await ask(doors().clients, path)
    assert (without.status, without.body) == (404, b'{"code":5,"message":"Not Found"}')
    off = await ask(doors(gateway, enable_grpc_gateway=False).clients, path)
    assert (off.status, off.body) == (404, b"404 page not found\n")


async def test_gateway_serves_what_there_is_of_a_node() -> None:
    log = FakeLog()
    node = make_node(Store(log), log)
    queues = Queues(node)
    gateway = open_gateway(Config(), MovableClock(), node, queues)
    body = Body(b'{"key":"YQ=="}')
    posted = HttpRequest("POST", "/v3/kv/range", "x", (), body, "ipv4:1.1.1.1:1")
    answer = await gateway(posted)
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    assert answer.body.startswith(b'{"header":{"cluster_id":')
    await queues.close()


async def test_gateway_takes_an_offer_of_websocket() -> None:
    log = FakeLog()
    node = make_node(Store(log), log)
    queues = Queues(node)
    gateway = open_gateway(Config(), MovableClock(), node, queues)
    fields = ((b"sec-websocket-key", b"a"), (b"sec-websocket-version", b"13"))
    offer = HttpRequest("GET", "/v3/watch", "x", fields, Body(), "", upgrade="websocket")
    answer = await gateway(offer)
    assert answer.status == 101
    assert answer.upgrade is not None
    await queues.close()


async def test_dashboard_is_there_unless_it_is_switched_off() -> None:
    paths = (
        "/mod/dashboard",
        "/mod/dashboard/",
        "/mod/dashboard/static/main.js",
        "/mod/dashboard/static/no",
    )
    assert await statuses(doors().clients, *paths) == [302, 200, 200, 404]
    assert await statuses(doors(enable_dashboard=False).clients, *paths) == [404] * 4
    assert await statuses(doors(host_whitelist="good").clients, *paths) == [421] * 4
    assert await statuses(doors().metrics, *paths) == [404] * 4
    page = (await ask(doors(enable_grpc_gateway=False).clients, "/mod/dashboard/")).body
    assert isinstance(page, bytes)
    assert b'data-gateway="off" data-v2="off"' in page


async def test_waiting_for_locks_of_v2_ends_when_the_server_stops() -> None:
    log, locks = FakeLog(), Mock()
    config = Config(enable_v2=True)
    open_http(config, make_node(Store(log), log), v2_locks=locks).stop()
    locks.stop.assert_called_once_with()
