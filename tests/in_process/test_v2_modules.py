"""Locks and leaders of v2: every kind of call of them, over HTTP, with a clock to move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from etcdpy.testing.clock import MovableClock
from tests.in_process.serving import InProcess, served
from tests.support.http_calls import Reply, call

LOCK, LEADER = "/mod/v2/lock/m", "/mod/v2/leader/m"
HELD = Reply(500, "failed to acquire lock\n")
CLOSED = Reply(500, "lock watch closed\n")
DONE = Reply(200, "")


class Site:
    """A server, and the time that it is there."""

    def __init__(self, server: InProcess, clock: MovableClock) -> None:
        self._server = server
        assert server.node.parts.v2 is not None
        self._store = server.node.parts.v2
        self._clock = clock

    async def call(
        self, method: str, target: str, form: dict[str, str] | None = None, **headers: str
    ) -> Reply:
        return await call(self._server.address, method, target, form, **headers)

    async def acquire(self, target: str = LOCK, **form: str) -> Reply:
        return await self.call("POST", target, {"ttl": "10", **form})

    async def lead(self, name: str, **form: str) -> Reply:
        return await self.call("PUT", LEADER, {"ttl": "10", "name": name, **form})

    async def begin(self, work: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]:
        """Begin to wait for a lock that somebody holds, at a place of one's own."""
        before = self.places()
        task = asyncio.create_task(work)
        while self.places() == before or self._store.index < self._store.tree.index:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return task

    async def waiting(self, **form: str) -> asyncio.Task[Reply]:
        return await self.begin(self.acquire(**form))

    def places(self) -> list[str]:
        queue = self._store.tree.root.find(["_etcd", "mod", "lock", "m"])
        return sorted(queue.children or ()) if queue is not None else []

    async def passes(self, seconds: float) -> None:
        await self._clock.advance(seconds)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock = MovableClock()
    async with served(tmp_path / "d", clock, enable_v2=True) as server:
        yield Site(server, clock)


def error(code: int, message: str, cause: str = "", index: int = 0) -> str:
    told = {"errorCode": code, "message": message, "cause": cause, "index": index}
    if not cause:
        del told["cause"]
    return json.dumps(told, separators=(",", ":")) + "\n"


NOT_A_TTL = "The given TTL in POST form is not a number"


async def test_lock_is_told_by_its_index_as_bare_text(site: Site) -> None:
    reply = await site.acquire(value="one")
    assert (reply.status, reply.body) == (200, "4")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert await site.call("GET", LOCK) == Reply(200, "one")
    assert await site.call("GET", f"{LOCK}?field=value") == Reply(200, "one")
    assert await site.call("GET", f"{LOCK}?field=index") == Reply(200, "4")


@pytest.mark.parametrize("form", [None, {}])
async def test_parameters_may_be_in_the_query(site: Site, form: dict[str, str] | None) -> None:
    assert (await site.call("POST", f"{LOCK}?ttl=10&value=a+b%21", form)).status == 200
    assert await site.call("GET", LOCK) == Reply(200, "a b!")


@pytest.mark.parametrize("target", ["/mod/v2/lock/a/b", "/mod/v2/lock/_x", "/mod/v2/lock/%C3%A9"])
async def test_names(site: Site, target: str) -> None:
    assert (await site.acquire(target, value="v")).status == 200
    assert await site.call("GET", target) == Reply(200, "v")


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        ({}, 400, error(202, NOT_A_TTL, "Acquire")),
        ({"ttl": ""}, 400, error(202, NOT_A_TTL, "Acquire")),
        ({"ttl": "x"}, 400, error(202, NOT_A_TTL, "Acquire")),
        ({"ttl": "1.5"}, 400, error(202, NOT_A_TTL, "Acquire")),
        ({"ttl": "0"}, 400, error(202, NOT_A_TTL, "Acquire")),
        ({"ttl": "-1"}, 400, error(202, NOT_A_TTL, "Acquire")),
        (
            {"timeout": "x"},
            400,
            error(205, "The given timeout in POST form is not a number", "Acquire"),
        ),
    ],
)
async def test_what_is_no_time(site: Site, form: dict[str, str], status: int, body: str) -> None:
    reply = await site.call("POST", LOCK, form)
    assert reply == Reply(status, body)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-etcd-index"] == "0"


async def test_lock_that_is_held_can_be_tried(site: Site) -> None:
    await site.acquire()
    assert await site.acquire(timeout="0") == HELD
    assert site.places() == ["00000000000000000004"]


async def test_wait_ends_with_its_time(site: Site) -> None:
    await site.acquire(ttl="100")
    waiting = await site.waiting(timeout="20")
    await site.passes(20)
    assert await waiting == CLOSED


@pytest.mark.parametrize("timeout", [{}, {"timeout": "-1"}, {"timeout": ""}])
async def test_wait_without_a_time_goes_on(site: Site, timeout: dict[str, str]) -> None:
    await site.acquire(ttl="1000")
    waiting = await site.waiting(**timeout)
    await site.passes(900)
    assert not waiting.done()
    await site.passes(101)
    assert (await waiting).status == 200


async def test_lock_passes_on_in_order(site: Site) -> None:
    assert (await site.acquire(value="a")).body == "4"
    second, third = await site.waiting(value="b"), await site.waiting()
    assert await site.call("DELETE", f"{LOCK}?index=4") == DONE
    index = (await second).body
    assert await site.call("GET", LOCK) == Reply(200, "b")
    assert not third.done()
    assert await site.call("DELETE", f"{LOCK}?value=b") == DONE
    assert int((await third).body) > int(index)
    assert await site.call("GET", LOCK) == Reply(200, "")


async def test_client_that_hangs_up_leaves_the_queue(site: Site) -> None:
    await site.acquire(value="a")
    second, third = await site.waiting(), await site.waiting()
    second.cancel()
    while len(site.places()) == 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await site.call("DELETE", f"{LOCK}?value=a") == DONE
    assert (await third).status == 200


async def test_sessions_with_a_value_return_together(site: Site) -> None:
    await site.acquire(value="a")
    one = await site.waiting(value="b")
    other = asyncio.ensure_future(site.acquire(value="b"))
    hasty = await site.acquire(value="b", timeout="0")
    assert hasty == HELD
    assert await site.call("DELETE", f"{LOCK}?value=a") == DONE
    assert (await one).body == (await other).body


async def test_renewal_by_index_by_value_and_by_both(site: Site) -> None:
    await site.acquire(value="a")
    waiting = await site.waiting()
    for form in ({"index": "4"}, {"value": "a"}, {"index": "4", "value": "b"}, {"value": "b"}):
        await site.passes(9)
        assert await site.call("PUT", LOCK, {"ttl": "10", **form}) == DONE
    assert not waiting.done()
    assert await site.call("GET", LOCK) == Reply(200, "b")
    await site.passes(11)
    assert (await waiting).status == 200


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ({"index": "4"}, error(202, NOT_A_TTL, "Renew")),
        ({"ttl": "x", "index": "4"}, error(202, NOT_A_TTL, "Renew")),
        ({"ttl": "0", "index": "4"}, error(202, NOT_A_TTL, "Renew")),
        ({}, error(202, NOT_A_TTL, "Renew")),
        ({"ttl": "5"}, error(207, "Index or value is required", "Renew")),
        ({"ttl": "5", "value": ""}, error(207, "Index or value is required", "Renew")),
    ],
)
async def test_what_is_no_renewal(site: Site, form: dict[str, str], body: str) -> None:
    await site.acquire()
    assert await site.call("PUT", LOCK, form) == Reply(400, body)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", error(207, "Index or value is required", "Release")),
        ("?index=&value=", error(207, "Index or value is required", "Release")),
        (
            "?index=4&value=a",
            error(208, "Index and value cannot both be specified", "Release"),
        ),
    ],
)
async def test_what_is_no_release(site: Site, query: str, body: str) -> None:
    await site.acquire(value="a")
    assert await site.call("DELETE", LOCK + query) == Reply(400, body)


@pytest.mark.parametrize("what", ["index=999", "index=x", "index=-4", "value=z"])
async def test_place_that_is_not_there(site: Site, what: str) -> None:
    await site.acquire(value="a")
    # The lock's place, and the start of its time, are writes.
    missing = Reply(404, error(100, "Key not found", "", 5))
    assert await site.call("DELETE", f"{LOCK}?{what}") == missing
    assert await site.call("PUT", f"{LOCK}?{what}&ttl=5") == missing


async def test_state_of_a_lock(site: Site) -> None:
    never = await site.call("GET", LOCK)
    assert never == Reply(404, error(100, "Key not found", "", 3))
    await site.acquire(value="")
    assert await site.call("GET", LOCK) == Reply(200, "")
    assert await site.call("GET", f"{LOCK}?field=bad") == Reply(
        400, error(209, "Invalid field", "Get")
    )
    await site.call("DELETE", f"{LOCK}?index=4")
    assert await site.call("GET", f"{LOCK}?field=bad") == DONE
    assert await site.call("GET", f"{LOCK}?field=index") == DONE


@pytest.mark.parametrize("target", [LOCK, LEADER])
@pytest.mark.parametrize("method", ["HEAD", "PATCH", "post"])
async def test_other_methods_are_not_found(site: Site, target: str, method: str) -> None:
    assert (await site.call(method, target)).status == 404


@pytest.mark.parametrize("target", ["/mod/v2/lock", "/mod/v2/lock/", "/mod/v2/", "/mod/v2/x/m"])
async def test_nothing_is_there_without_a_name(site: Site, target: str) -> None:
    reply = await site.acquire(target)
    assert reply == Reply(404, "404 page not found\n")


@pytest.mark.parametrize("query", ["value=%zz", "value=a;b"])
async def test_form_that_cannot_be_read(site: Site, query: str) -> None:
    reply = await site.call("POST", f"{LOCK}?ttl=5&{query}")
    assert reply.status == 400
    assert json.loads(reply.body)["errorCode"] == 210


class TestLeader:
    async def test_leads_until_it_ends(self, site: Site) -> None:
        assert await site.lead("a") == Reply(200, "4")
        assert await site.call("GET", LEADER) == Reply(200, "a")
        waiting = await site.begin(site.lead("b"))
        await site.passes(8)
        assert await site.lead("a") == Reply(200, "4")
        await site.passes(8)
        assert not waiting.done()
        await site.passes(3)
        assert (await waiting).status == 200
        assert await site.call("GET", LEADER) == Reply(200, "b")

    async def test_leader_resigns(self, site: Site) -> None:
        await site.lead("a")
        assert await site.call("DELETE", f"{LEADER}?name=b") == Reply(
            404, error(100, "Key not found", "Release", 5)
        )
        assert await site.call("DELETE", f"{LEADER}?name=a") == DONE
        assert await site.call("GET", LEADER) == DONE

    async def test_nobody_leads_what_was_never_led(self, site: Site) -> None:
        assert await site.call("GET", LEADER) == DONE

    async def test_name_is_required(self, site: Site) -> None:
        required = "Name is required in POST form"
        assert await site.call("PUT", LEADER, {"ttl": "5"}) == Reply(
            400, error(206, required, "Set")
        )
        assert await site.call("DELETE", LEADER) == Reply(400, error(206, required, "Delete"))
        assert (await site.call("POST", LEADER, {"ttl": "5", "name": "a"})).status == 404

    async def test_errors_of_the_lock_pass_through(self, site: Site) -> None:
        assert await site.call("PUT", LEADER, {"name": "a"}) == Reply(
            400, error(202, NOT_A_TTL, "Acquire")
        )
        await site.lead("a")
        assert await site.lead("b", timeout="0") == HELD
        waiting = await site.begin(site.lead("b", timeout="5"))
        await site.passes(5)
        assert await waiting == CLOSED

    async def test_leaders_and_locks_are_of_one_namespace(self, site: Site) -> None:
        await site.lead("a")
        assert await site.call("GET", LOCK) == Reply(200, "a")
        assert await site.acquire(timeout="0") == HELD
        assert await site.call("DELETE", f"{LOCK}?value=a") == DONE
        assert await site.call("GET", LEADER) == DONE
