"""Clocks and faults as four kinds of clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

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
    request = await etcd.requests.wait_for_async("KV/Put", timeout=60)
    assert (request.user, request.status) == (None, "OK")
    assert request.message.key == b"k"
    assert request.peer.startswith("ipv4:127.0.0.1:")


async def test_remaining_time_follows_the_clock(etcd: Etcd, client: Client) -> None:
    etcd.clock.freeze()
    lease = await client.grant(100)
    etcd.clock.advance(60)
    # The wall clock ends no lease.
    etcd.clock.jump(3600)
    assert await client.remaining(lease) == 40
    etcd.clock.resume()
    etcd.clock.advance(41)
    assert await client.remaining(lease) == -1


async def test_delayed_request_waits_for_the_clock(etcd: Etcd, client: Client) -> None:
    etcd.clock.freeze()
    etcd.faults.delay("KV/Put", seconds=20)
    putting = await client.begin_put("k", "1")
    assert etcd.data == {}
    etcd.clock.advance(20)
    await putting
    assert etcd.data == {"k": "1"}


async def test_slow_disk_holds_up_a_write_until_it_is_over(etcd: Etcd, client: Client) -> None:
    slow = etcd.faults.slow_disk(seconds=3600)
    putting = await client.begin_put("k", "1")
    assert not putting.done()
    slow.end()
    await putting
    assert etcd.data == {"k": "1"}


@pytest.mark.parametrize(
    "fault",
    [lambda etcd: etcd.faults.full_disk(), lambda etcd: etcd.faults.raise_alarm("NOSPACE")],
    ids=["disk", "alarm"],
)
async def test_where_no_room_is_left_nothing_is_written(
    etcd: Etcd, client: Client, fault: Callable[[Etcd], Any]
) -> None:
    with fault(etcd):
        with pytest.raises(Failed, match="database space exceeded"):
            await client.put("k", "1")
        assert etcd.data == {}
    await client.put("k", "1")


async def test_without_a_leader_a_write_times_out_on_the_clock(etcd: Etcd, client: Client) -> None:
    etcd.clock.freeze()
    with etcd.faults.no_leader():
        putting = await client.begin_put("k", "1")
        etcd.clock.advance(7)
        with pytest.raises(Failed, match="etcdserver: request timed out"):
            await putting
    await client.put("k", "1")


async def test_black_hole_lets_nothing_through_until_it_closes(etcd: Etcd, client: Client) -> None:
    await client.put("k", "1")
    with etcd.faults.blackhole(), pytest.raises(Failed):
        await client.put("k", "2", timeout=0.1)
    # Whether the other is applied when the hole closes is open, and when.
    await eventually(client, "other", "3")
    assert etcd.data["other"] == "3"


async def test_who_comes_is_refused_and_let_in_when_that_is_over(
    etcd: Etcd, client: Client
) -> None:
    with etcd.faults.refuse_connections(), pytest.raises(Failed):
        await client.put("k", "1", timeout=0.1)
    assert etcd.requests.count() == 0
    await eventually(client, "k", "2")
    assert etcd.data == {"k": "2"}


async def test_watch_that_is_behind_is_cancelled(etcd: Etcd, client: Client) -> None:
    etcd.put("other", "1")
    await client.watch("k")
    etcd.faults.cancel_watches(compact=True)
    with pytest.raises(Failed, match=r"compacted (at|below) 2"):
        await client.next_event()


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)
async def test_token_is_no_longer_good_when_it_is_told_or_its_time_is_over(
    kind: Callable[[Etcd], Client], secured: Etcd
) -> None:
    secured.reset()
    client = kind(secured)
    for end in (secured.faults.expire_token, lambda: secured.clock.advance(400)):
        await client.log_in("root", "secret")
        await client.put("k", "1")
        end()
        with pytest.raises(Failed, match="etcdserver: invalid auth token"):
            await client.put("k", "2")
    await client.close()
    assert secured.data == {"k": "1"}


@pytest.fixture(scope="module")
def secured() -> Iterator[Etcd]:
    with Etcd(auth={"root": "secret"}, auth_token_ttl=300) as etcd:
        yield etcd
