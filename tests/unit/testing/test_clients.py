"""Clocks and faults as four kinds of clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from etcdpy.testing import Etcd
from tests.unit.testing.clients import CLIENTS, Client, Failed, eventually


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
async def client(request: pytest.FixtureRequest, etcd: Etcd) -> AsyncIterator[Client]:
    client: Client = request.param(etcd)
    yield client
    await client.close()


async def test_lease_ends_and_the_watch_tells_when_the_clock_is_moved(
    etcd: Etcd, client: Client
) -> None:
    await client.watch("k")
    await client.put("k", "1", await client.grant(60))
    assert await client.next_event() == "PUT"
    etcd.clock.advance(61)
    assert etcd.data == {}
    assert await client.next_event() == "DELETE"


async def test_refused_request_is_not_applied_and_the_next_is(etcd: Etcd, client: Client) -> None:
    etcd.faults.fail("KV/Put", code="RESOURCE_EXHAUSTED", times=1)
    with pytest.raises(Failed):
        await client.put("k", "1")
    assert etcd.data == {}
    await client.put("k", "1")
    assert etcd.requests.count("KV/Put") == 2


async def test_request_whose_answer_is_lost_is_applied(etcd: Etcd, client: Client) -> None:
    etcd.faults.drop("KV/Put", times=1)
    with pytest.raises(Failed):
        await client.put("k", "1")
    assert etcd.data == {"k": "1"}
    await eventually(client, "k", "2")


@pytest.mark.parametrize(
    "interrupt",
    [
        lambda etcd: etcd.restart(),
        lambda etcd: etcd.faults.reset_connections(),
        lambda etcd: etcd.faults.crash().end(),
        lambda etcd: etcd.faults.goaway(),
    ],
    ids=["restart", "reset", "crash", "goaway"],
)
async def test_client_comes_back_and_finds_what_it_has_written(
    etcd: Etcd, client: Client, interrupt: Callable[[Etcd], None]
) -> None:
    await client.put("k", "1")
    interrupt(etcd)
    assert etcd.data == {"k": "1"}
    await eventually(client, "k", "2")
    assert etcd.data == {"k": "2"}


async def test_watch_breaks_with_the_connection_and_with_a_reset(
    etcd: Etcd, client: Client
) -> None:
    await client.watch("k")
    etcd.reset()
    # aetcd tells nobody, and waits for ever for the next event.
    if type(client).__name__ != "Aetcd":
        with pytest.raises(Failed):
            await client.next_event()
    assert etcd.watchers == []
    await eventually(client, "k", "1")
    assert (etcd.revision, etcd.data) == (2, {"k": "1"})


async def test_users_are_noted_by_the_requests_that_they_make(etcd: Etcd, client: Client) -> None:
    await client.put("k", "1")
    request = await etcd.requests.wait_for_async("KV/Put")
    assert (request.user, request.status) == (None, "OK")
    assert request.message.key == b"k"
    assert request.peer.startswith("ipv4:127.0.0.1:")
