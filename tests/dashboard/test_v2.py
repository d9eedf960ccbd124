"""The tree of version 2, where it is switched on."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.dashboard.pages import REFUSED, dashboard, row
from tests.support.servers import Server, etcdpy_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def old(browser: Browser) -> Iterator[Server]:
    with etcdpy_server(args=("--enable-v2",)) as server:
        yield server


def put(server: Server, path: str, **fields: str) -> None:
    url = f"http://{server.address}/v2/keys{path}"
    body = urlencode(fields).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=60) as _:
        pass


def test_it_is_not_offered_where_it_is_off(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address) as page:
        page.get_by_role("link", name="Users").wait_for()
        assert page.get_by_role("link", name="v2").count() == 0


def test_nodes_are_created_edited_and_deleted(browser: Browser, old: Server) -> None:
    put(old, "/app/config", value="<b>old</b>")
    with dashboard(browser, old.address, "#/v2?path=/app/config", expected_errors=REFUSED) as page:
        page.locator("pre.code", has_text="<b>old</b>").wait_for()
        page.locator("[role=treeitem][aria-selected=true]", has_text="config").wait_for()
        page.get_by_role("button", name="Edit").click()
        page.get_by_role("dialog").get_by_role("textbox", name="Value").fill("mine")
        put(old, "/app/config", value="theirs")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("was changed meanwhile").wait_for()
        page.locator(".diff-line.removed", has_text="theirs").wait_for()
        page.get_by_role("button", name="Save").click()
        page.locator("pre.code", has_text="mine").wait_for()

        page.get_by_role("button", name="New").click()
        page.get_by_label("Path").fill("/app/sub/größe")
        page.get_by_label("Seconds to live").fill("500")
        page.get_by_role("button", name="Create").click()
        page.get_by_role("heading", name="/app/sub/größe").wait_for()
        page.get_by_text(re.compile(r"in (500|[1-4]?\d?\d) s")).wait_for()

        row(page, "sub/").wait_for()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("There is no such node now").wait_for()


def test_without_a_key_its_counts_are_shown(browser: Browser, old: Server) -> None:
    put(old, "/counted", value="x")
    with dashboard(browser, old.address, "#/v2") as page:
        page.get_by_text("setsSuccess").wait_for()
