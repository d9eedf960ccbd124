"""Leases, and the locks and elections that are made of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from etcdpy.pb import rpc_pb2
from tests.dashboard.pages import assert_soon, dashboard, put, value_of
from tests.support.client import Client
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def grant(address: str, ttl: int) -> int:
    with closing(Client(address)) as client:
        reply = client.lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=ttl), timeout=60)
        return int(reply.ID)


def leases(address: str) -> set[int]:
    with closing(Client(address)) as client:
        reply = client.lease.LeaseLeases(rpc_pb2.LeaseLeasesRequest(), timeout=60)
        return {lease.ID for lease in reply.leases}


def test_leases_are_listed_with_their_keys_and_revoked(browser: Browser, server: Server) -> None:
    lease, other = grant(server.address, 1000), grant(server.address, 5000)
    put(server.address, *((b"/leased/%d" % number, b"x") for number in range(5)), lease=lease)
    with dashboard(browser, server.address, "#/leases") as page:
        row = page.get_by_role("row").filter(has_text=f"{lease:016x}")
        row.get_by_role("link", name="/leased/0").wait_for()
        row.filter(has_text="and 2 more").wait_for()
        first = row.locator(".lease-left").inner_text()
        assert first.endswith("of 16 min 40 s")
        page.wait_for_function(
            "([row, first]) => row.innerText !== first",
            arg=[row.locator(".lease-left").element_handle(), first],
        )
        page.get_by_role("button", name=f"Keep alive lease {lease:016x}").click()
        page.get_by_text(f"Lease {lease:016x} lives on").wait_for()
        page.get_by_role("button", name=f"Revoke lease {lease:016x}").click()
        page.get_by_text("This deletes 5 keys").wait_for()
        page.get_by_role("button", name="Revoke", exact=True).click()
        row.wait_for(state="detached")
    assert value_of(server.address, b"/leased/0") is None
    assert other in leases(server.address)


def test_lease_is_granted(browser: Browser, server: Server) -> None:
    before = leases(server.address)
    with dashboard(browser, server.address, "#/leases") as page:
        page.get_by_role("button", name="Grant").click()
        page.get_by_label("Seconds to live").fill("777")
        page.get_by_role("dialog").get_by_role("button", name="Grant").click()
        page.get_by_text("of 12 min 57 s").wait_for()
    assert len(leases(server.address) - before) == 1


def test_queues_tell_who_holds_and_who_waits(browser: Browser, server: Server) -> None:
    holders = [grant(server.address, 3000 + number) for number in range(3)]
    for lease in holders:
        put(server.address, (b"/lock/build/%x" % lease, b""), lease=lease)
    leader = grant(server.address, 3500)
    put(server.address, (b"/election/%x" % leader, b"node-7"), lease=leader)
    put(server.address, (b"/election/no-entry", b"x"), lease=leader)
    with dashboard(browser, server.address, "#/locks") as page:
        lock = page.get_by_role("article").filter(has_text="/lock/build")
        lock.get_by_text("Held by").wait_for()
        shown = lock.locator("a.mono").all_inner_texts
        assert_soon(shown, [f"{lease:016x}" for lease in holders])
        lock.get_by_text("Waiting: 2").wait_for()
        election = page.get_by_role("article").filter(has_text="/election")
        assert_soon(election.locator(".queue-says").all_inner_texts, ["node-7"])
        page.get_by_role("button", name=f"Revoke lease {holders[0]:016x}").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
        lock.get_by_text("Waiting: 1").wait_for()
        assert_soon(lock.locator("a.mono").first.inner_text, f"{holders[1]:016x}")
