"""Keys and values that want to be more than bytes on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dashboard.pages import assert_soon, dashboard, put, row, value_of
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MARKUP = b"<img src=x onerror=document.title='taken'><svg onload=document.title='taken'>"
BENT = "user\u202egnp.exe".encode()


@pytest.fixture(scope="module", autouse=True)
def keys(server: Server) -> None:
    put(
        server.address,
        (b"h/" + MARKUP, MARKUP),
        (b"h/" + BENT, b"turned"),
        (b"h/control\0\n\x1b[2J\r\t", b"\0\x1b[31mred\r\n\x7f"),
        (b"h/\xff\xfe\xc3(", b"\xff\xfe\xc3("),
        (b"h/" + b"long" * 2000, b"x"),
        (b"h//", b"empty name"),
        (b"h/mega", b"{" + b'"a<b>":1,' * 110_000 + b'"z":0}'),
        # What a careless pattern takes minutes for, or a careless reader.
        (b"h/blanks", b"a: 1\n" + b" " * 60_000 + b"x\nb: 2\n"),
        (b"h/fields", b"\x08\x01" * 100_000),
        (b"h/__proto__", b'{"__proto__": {"polluted": true}}'),
    )
    put(server.address, (b"h/mega-line", b"y" * 1_000_000))


def test_markup_stays_text_wherever_it_is_shown(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/keys?prefix=h/") as page:
        row(page, "<img src=x").click()
        shown = page.locator("pre.code")
        assert_soon(shown.inner_text, MARKUP.decode())
        assert_soon(page.locator(".key-title h2").inner_text, "h/" + MARKUP.decode())
        page.locator(".key-actions").get_by_role("link", name="History").click()
        page.get_by_role("link", name="Open the key").wait_for()
        assert_soon(page.locator("pre.code").inner_text, MARKUP.decode())
        page.get_by_role("link", name="Live").click()
        page.get_by_text("Watching", exact=True).wait_for()
        put(server.address, (b"h/" + MARKUP, MARKUP + b"2"))
        page.locator(".live-row", has_text="<svg onload").wait_for()
        assert page.locator("img, script:not([src])").count() == 1  # the one of the frame
        assert_soon(page.title, "Live · etcdpy")


def test_what_cannot_be_seen_is_written_out(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/keys?prefix=h/") as page:
        for name in ("user\\u{202e}gnp.exe", "control\\x00\\n\\x1b[2J\\r\\t", "\\xff\\xfe\\xc3("):
            found = row(page, name)
            found.wait_for()
            found.locator(".escape").first.wait_for()
        row(page, "control").click()
        page.get_by_role("button", name="Hex", exact=True).click()
        shown, digits = page.locator("pre.code"), "00000000  00 1b 5b 33 31 6d 72 65  64 0d 0a 7f"
        assert_soon(lambda: shown.inner_text()[: len(digits)], digits)
        # What goes into an address comes back from it as the same bytes.
        page.reload()
        page.locator(".key-title h2", has_text="control\\x00\\n\\x1b[2J\\r\\t").wait_for()


def test_value_that_is_no_text_is_saved_as_it_was(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/keys?key=h/\\xff\\xfe\\xc3(") as page:
        page.get_by_role("button", name="Edit").click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_text("Saved as revision").wait_for()
    assert value_of(server.address, b"h/\xff\xfe\xc3(") == b"\xff\xfe\xc3("


@pytest.mark.parametrize("key", ["h/mega", "h/mega-line"])
def test_megabyte_is_shown_in_portions(browser: Browser, server: Server, key: str) -> None:
    with dashboard(browser, server.address, f"#/keys?key={key}") as page:
        page.get_by_role("button", name="Show more").wait_for()
        shown = page.locator("pre.code")
        first = len(shown.inner_text())
        assert 60_000 < first < 70_000
        page.get_by_role("button", name="Show more").click()
        assert_soon(lambda: len(shown.inner_text()) > 1.9 * first, True)
        page.get_by_role("button", name="Hex", exact=True).click()
        assert_soon(lambda: shown.inner_text()[:8], "00000000")


@pytest.mark.parametrize(("key", "sign"), [("h/blanks", "a: 1"), ("h/fields", "1: 1")])
def test_value_that_is_costly_to_understand_is_shown(
    browser: Browser, server: Server, key: str, sign: str
) -> None:
    with dashboard(browser, server.address, f"#/keys?key={key}") as page:
        page.locator("pre.code", has_text=sign).wait_for()


def test_long_key_takes_no_room_from_others(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/keys?prefix=h/long") as page:
        found = row(page, "longlong")
        assert_soon(lambda: found.inner_text().strip()[-12:], "…+7488 bytes"[-12:])
        box = found.bounding_box()
        assert box is not None
        assert box["height"] <= 32
        found.click()
        page.locator(".key-title h2", has_text="+3906 bytes").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_of_objects_are_keys_like_others(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address, "#/keys?key=h/__proto__") as page:
        page.locator("pre.code", has_text="polluted").wait_for()
        assert page.evaluate("({}).polluted") is None
