"""Live: events as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dashboard.pages import assert_soon, dashboard, put
from tests.dashboard.test_history import delete
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def events(page: Page) -> list[str]:
    shown = ".live-row:not([hidden])"
    kinds = page.locator(f"{shown} .live-kind").all_inner_texts()
    keys = page.locator(f"{shown} .live-key").all_inner_texts()
    # One more may come between the two looks.
    return [f"{kind} {key}" for kind, key in zip(kinds, keys, strict=False)]


def test_events_are_shown_as_they_come(browser: Browser, server: Server) -> None:
    put(server.address, (b"/old", b"1"))
    with dashboard(browser, server.address, "#/live?prefix=/") as page:
        page.get_by_text("Watching", exact=True).wait_for()
        put(server.address, (b"/old", b"2"))
        put(server.address, (b"/new", b"1"))
        put(server.address, (b"other", b"1"))
        delete(server.address, b"/old")
        page.get_by_text("3 events").wait_for()
        page.locator(".live-kind", has_text="delete").wait_for()
        told = ["create /new", "delete /old", "put /old"]
        assert_soon(lambda: sorted(events(page)), told)
        page.get_by_label("Kind of event").select_option("delete")
        page.locator(".live-row.put:not([hidden])").first.wait_for(state="detached")
        assert_soon(lambda: events(page), ["delete /old"])
        page.get_by_label("Kind of event").select_option("")
        page.get_by_label("Filter").fill("NEW")
        page.locator(".live-row.delete:not([hidden])").first.wait_for(state="detached")
        assert_soon(lambda: events(page), ["create /new"])


def test_what_comes_during_a_pause_waits(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/live?prefix=/paused") as page:
        page.get_by_text("Watching", exact=True).wait_for()
        put(server.address, (b"/paused/1", b"1"))
        page.get_by_text("1 event").wait_for()
        page.get_by_role("button", name="Pause").click()
        put(server.address, (b"/paused/2", b"1"))
        page.get_by_text("2 events, 1 waiting").wait_for()
        assert_soon(lambda: events(page), ["create /paused/1"])
        page.get_by_role("button", name="Go on").click()
        page.get_by_text("2 events", exact=True).wait_for()
        assert_soon(lambda: events(page), ["create /paused/2", "create /paused/1"])


def test_of_very_many_events_the_newest_stay(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/live") as page:
        page.get_by_text("Watching", exact=True).wait_for()
        put(server.address, *((b"/many/%05d" % number, b"x") for number in range(13_000)))
        page.get_by_text("13,000 events").wait_for()
        page.locator(".live-key", has_text="/many/12999").wait_for()
        assert page.locator(".live-row").count() < 100
