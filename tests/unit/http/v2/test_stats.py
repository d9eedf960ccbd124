"""Statistics of the server."""

from __future__ import annotations

import pytest

from etcdpy.http.v2.stats import stats_endpoints
from etcdpy.node.node import Node
from etcdpy.testing.clock import MovableClock
from tests.unit.http.v2.asking import JSON, ask, new_node

ID = b'"f693000000000001"'


async def test_of_itself() -> None:
    clock = MovableClock(wall=1000.5)
    handler = stats_endpoints(new_node(clock))["/v2/stats/self"]
    await clock.advance(61.25)
    answer = await ask(handler, "/v2/stats/self")
    assert (answer.status, answer.headers) == (200, (JSON,))
    began = b'"startTime":"1970-01-01T00:16:40.5Z"'
    assert answer.body == (
        b'{"name":"here","id":%s,"state":"StateLeader",%s,"leaderInfo":{"leader":%s,'
        b'"uptime":"1m1.25s",%s},"recvAppendRequestCnt":0,"sendAppendRequestCnt":0}'
        % (ID, began, ID, began)
    )


async def test_nobody_follows() -> None:
    answer = await ask(stats_endpoints(new_node())["/v2/stats/leader"], "/v2/stats/leader")
    assert answer.body == b'{"leader":%s,"followers":{}}' % ID


async def test_of_the_store(open_node: Node) -> None:
    store = open_node.parts.v2
    assert store is not None
    await store.set("/a", "1")
    await store.delete("/a")
    store.watch("/a")
    path = "/v2/stats/store"
    answer = await ask(stats_endpoints(open_node)[path], path)
    assert (answer.status, answer.headers) == (200, (JSON,))
    assert answer.body == (
        b'{"getsSuccess":0,"getsFail":0,"setsSuccess":1,"setsFail":0,"deleteSuccess":1,'
        b'"deleteFail":0,"updateSuccess":0,"updateFail":0,"createSuccess":0,"createFail":0,'
        b'"compareAndSwapSuccess":0,"compareAndSwapFail":0,"compareAndDeleteSuccess":0,'
        b'"compareAndDeleteFail":0,"expireCount":0,"watchers":1}'
    )
    assert path not in stats_endpoints(new_node())


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST"])
@pytest.mark.parametrize("path", ["/v2/stats/self", "/v2/stats/leader"])
async def test_other_methods_are_not_allowed(path: str, method: str) -> None:
    answer = await ask(stats_endpoints(new_node())[path], path, method)
    assert answer.status == 405
    assert (b"allow", b"GET") in answer.headers
