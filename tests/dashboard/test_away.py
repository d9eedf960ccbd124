"""The server goes away and comes back, at the same address, and the page with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.pages import AWAY, assert_soon, dashboard, put, row
from tests.support.ports import free_port
from tests.support.servers import Server, etcdpy_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def fixed(browser: Browser) -> Iterator[Server]:
    """A server that has the same address when it is started again."""
    url = f"http://127.0.0.1:{free_port()}"
    with etcdpy_server(args=(f"--listen-client-urls={url}",)) as server:
        yield server


def test_page_tells_that_the_server_is_away_and_goes_on_by_itself(
    browser: Browser, fixed: Server
) -> None:
    put(fixed.address, (b"/a/one", b"x"))
    with dashboard(browser, fixed.address, expected_errors=AWAY) as page:
        row(page, "one").click()
        page.locator("pre.code").wait_for()
        put(fixed.address, (b"/a/two", b"y"))  # which the tree was not asked for
        fixed.stop()
        banner = page.locator("#banner", has_text="The server does not answer")
        page.get_by_role("button", name="Read the keys again").click()
        banner.wait_for()
        row(page, "one").wait_for()  # what was read stays
        fixed.start()
        banner.wait_for(state="hidden")
        row(page, "two").wait_for()
        page.locator("pre.code", has_text="x").wait_for()


def test_no_event_is_missed_over_a_restart(browser: Browser, fixed: Server) -> None:
    with dashboard(browser, fixed.address, "#/live", expected_errors=AWAY) as page:
        page.get_by_text("Watching", exact=True).wait_for()
        put(fixed.address, (b"before", b"x"))
        page.locator(".live-key", has_text="before").wait_for()
        fixed.kill()
        page.get_by_text("Waiting for the server").wait_for()
        fixed.start()
        put(fixed.address, (b"after-1", b"x"))
        put(fixed.address, (b"after-2", b"x"))
        page.get_by_text("3 events").wait_for()
        names = page.locator(".live-row:not([hidden]) .live-key").all_inner_texts
        assert_soon(lambda: sorted(names()), ["after-1", "after-2", "before"])
