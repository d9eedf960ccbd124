"""Keys: the tree, and what is shown of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboard.pages import NARROW, assert_soon, dashboard, put, row
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module", autouse=True)
def keys(fresh: Server) -> None:
    put(
        fresh.address,
        (b"/app/config", b'{"a":[1,12345678901234567890]}'),
        (b"/app/notes", b"a: 1\nb:\n  - x\n"),
        *((b"/app/pods/%04d" % number, b"pod") for number in range(2000)),
        (b"plain", b"hello"),
        (b"/raw", bytes(range(256))),
    )


def test_tree_is_opened_folder_by_folder(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address) as page:
        row(page, "/").click()
        assert_soon(lambda: row(page, "app/").get_attribute("aria-label"), "app/, 2,002 keys")
        row(page, "app/").click()
        assert_soon(row(page, "pods/").inner_text, "pods/\n2,000")
        row(page, "config").click()
        page.get_by_role("heading", name="/app/config").wait_for()
        shown = page.locator("pre.code")
        assert_soon(shown.inner_text, '{\n  "a": [\n    1,\n    12345678901234567890\n  ]\n}')
        assert_soon(lambda: page.url.endswith("#/keys?key=/app/config"), True)


@pytest.mark.parametrize(
    ("key", "kind", "begins"),
    [
        ("plain", "Text", "hello"),
        ("/app/notes", "YAML", "a: 1\nb:\n  - x"),
        ("/raw", "Hex", "00000000  00 01 02 03"),
    ],
)
def test_value_is_shown_as_what_it_is(
    browser: Browser, fresh: Server, key: str, kind: str, begins: str
) -> None:
    with dashboard(browser, fresh.address, f"#/keys?key={key}") as page:
        assert page.locator("pre.code").inner_text().startswith(begins)
        assert page.locator(".value [aria-pressed=true]").inner_text() == kind


def test_key_of_the_address_is_found_in_the_tree(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address, "#/keys?key=/app/pods/1999") as page:
        page.locator("[role=treeitem][aria-selected=true]", has_text="1999").wait_for()
        # What lies between is not loaded, and the tree says how much that is.
        page.get_by_role("treeitem").filter(has_text="1,359 more keys").wait_for()


def test_tree_stays_where_it_is_while_its_keys_are_written(browser: Browser, fresh: Server) -> None:
    put(fresh.address, (b"/deep/lonely/key", b"x"))
    for key in ("/app/pods/1500", "/deep/lonely/key"):
        with dashboard(browser, fresh.address, f"#/keys?key={key}") as page:
            chosen = page.locator("[role=treeitem][aria-selected=true]:not([hidden])")
            chosen.wait_for()
            page.get_by_role("button", name="Edit").click()
            page.get_by_role("dialog").get_by_role("textbox", name="Value").fill("new")
            page.get_by_role("button", name="Save").click()
            page.locator("pre.code", has_text="new").wait_for()
            assert chosen.is_visible()
            page.get_by_role("button", name="Delete").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            page.get_by_text("There is no such key now").wait_for()
            chosen.wait_for(state="detached")
            row(page, "plain").wait_for() if "deep" in key else row(page, "1501").wait_for()
            lonely = page.get_by_role("treeitem").filter(has_text="lonely/")
            assert_soon(lonely.count, 0)
    put(fresh.address, (b"/app/pods/1500", b"pod"))


def test_prefix_shows_what_begins_with_it(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address) as page:
        page.get_by_role("searchbox").fill("/app/pods/029")
        page.get_by_text("10 keys").wait_for()
        names = page.get_by_role("treeitem").all_inner_texts
        assert_soon(names, [f"{number:04}" for number in range(290, 300)])
        page.get_by_role("searchbox").fill("/nothing")
        page.get_by_text("No key begins with").wait_for()


def test_back_leads_from_a_key_to_all_of_them(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address, viewport=NARROW) as page:
        row(page, "plain").click()
        page.get_by_role("heading", name="plain").wait_for()
        page.get_by_role("tree").wait_for(state="hidden")
        page.go_back()
        row(page, "plain").wait_for()
        page.go_forward()
        page.get_by_role("heading", name="plain").wait_for()
        page.get_by_role("button", name="All keys").click()
        row(page, "plain").wait_for()


def test_tree_says_that_there_is_something_new(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address) as page:
        row(page, "plain").wait_for()
        put(fresh.address, (b"newer", b"x"))
        page.locator(".has-news").click()
        row(page, "newer").wait_for()
        page.locator(".has-news").wait_for(state="detached")


def test_tree_is_walked_with_the_keyboard(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address) as page:
        row(page, "plain").wait_for()
        page.keyboard.press("/")
        page.keyboard.press("ArrowDown")
        tree = page.get_by_role("tree")

        def active() -> str:
            name: str = page.evaluate(
                "id => document.getElementById(id)?.ariaLabel ?? ''",
                tree.get_attribute("aria-activedescendant"),
            )
            return name

        assert_soon(active, "/, 2,003 keys")
        page.keyboard.press("ArrowRight")
        row(page, "app/").wait_for()
        page.keyboard.press("ArrowRight")
        assert_soon(active, "app/, 2,002 keys")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("End")
        assert_soon(active, "plain")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="plain").wait_for()
