"""History: the versions of a key, over all its lives, and the way back to one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from etcdpy.pb import rpc_pb2
from tests.dashboard.pages import assert_soon, dashboard, put, value_of
from tests.support.client import Client
from tests.support.servers import Server

#: The versions that are listed, without what stands for those that are not read yet.
ROWS = ".history-list tbody tr:has(td:nth-child(4))"

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def delete(address: str, key: bytes) -> None:
    with closing(Client(address)) as client:
        client.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=key), timeout=60)


def versions(page: Page) -> list[str]:
    return page.locator(f"{ROWS} > td:nth-child(4)").all_inner_texts()


def test_all_lives_of_a_key_are_told(browser: Browser, server: Server) -> None:
    key = b"/lives"
    for value in (b"1", b"2"):
        put(server.address, (key, value))
    delete(server.address, key)
    put(server.address, (key, b"3"))
    delete(server.address, key)
    for value in (b"a\nb\nc", b"a\nB\nc"):
        put(server.address, (key, value))
    with dashboard(browser, server.address, "#/history?key=/lives") as page:
        page.get_by_text("deleted").nth(1).wait_for()
        told = ["2", "1", "deleted", "1", "deleted", "2", "1"]
        assert_soon(lambda: versions(page), told)
        assert page.locator(".diff-line.removed").inner_text().endswith("b")
        assert page.locator(".diff-line.added").inner_text().endswith("B")
        # Any two, whichever side they are on.
        page.locator("[data-choice^=from]").nth(6).check()
        page.locator("[data-choice^=to]").nth(3).check()
        page.locator(".diff-line.added > span:last-child", has_text="added: 3").wait_for()
        assert_soon(page.locator(".diff-line.added").count, 1)


def test_old_version_is_restored(browser: Browser, server: Server) -> None:
    for value in (b"good", b"bad"):
        put(server.address, (b"/restored", value))
    with dashboard(browser, server.address, "#/history?key=/restored") as page:
        page.locator("[data-choice^=to]").nth(1).check()
        page.get_by_role("button", name="Restore revision").click()
        page.get_by_role("button", name="Restore", exact=True).click()
        page.get_by_text("Restored as revision").wait_for()
    assert value_of(server.address, b"/restored") == b"good"


def test_deleted_key_comes_back_unless_there_is_another(browser: Browser, server: Server) -> None:
    put(server.address, (b"/gone", b"kept"))
    delete(server.address, b"/gone")
    with dashboard(browser, server.address, "#/history?key=/gone") as page:
        page.locator("[data-choice^=to]").nth(1).check()
        page.get_by_role("button", name="Restore revision").click()
        put(server.address, (b"/gone", b"new"))
        page.get_by_role("button", name="Restore", exact=True).click()
        page.get_by_text("was changed meanwhile").wait_for()
    assert value_of(server.address, b"/gone") == b"new"


def test_history_begins_where_it_was_compacted(browser: Browser, server: Server) -> None:
    for number in range(70):
        put(server.address, (b"/long", b"%d" % number))
    with closing(Client(server.address)) as client:
        now = client.kv.Range(rpc_pb2.RangeRequest(key=b"x"), timeout=60).header.revision
        client.kv.Compact(rpc_pb2.CompactionRequest(revision=now - 60), timeout=60)
    with dashboard(
        browser, server.address, "#/history?key=/long", expected_errors=("status of 400",)
    ) as page:
        page.get_by_text(f"History begins at revision {now - 60:,}").wait_for()
        older = page.get_by_role("button", name="Older versions")
        older.wait_for()
        assert_soon(lambda: len(versions(page)), 50)
        older.click()
        page.locator(ROWS).nth(60).wait_for()
        older.wait_for(state="detached")
        assert_soon(lambda: versions(page), [str(version) for version in range(70, 9, -1)])
