"""Where clients find the members."""

from __future__ import annotations

import pytest

from etcdpy.http.v2.machines import machines_endpoint
from tests.unit.http.v2.asking import TEXT, ask, new_node


async def test_urls_in_order() -> None:
    node = new_node()
    members = node.parts.membership
    members.identity = members.identity._replace(client_urls=("http://b:1", "http://a:1"))
    answer = await ask(machines_endpoint(node)["/v2/machines"], "/v2/machines")
    assert (answer.status, answer.headers) == (200, (TEXT,))
    assert answer.body == b"http://a:1, http://b:1"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("PUT", 405), ("DELETE", 405)])
async def test_methods(method: str, status: int) -> None:
    handler = machines_endpoint(new_node())["/v2/machines"]
    answer = await ask(handler, "/v2/machines", method)
    assert answer.status == status
    if status == 405:
        assert (b"allow", b"GET,HEAD") in answer.headers
