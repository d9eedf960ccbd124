"""Keys are created, edited, deleted and carried about; nothing that was not seen is overwritten."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dashboard.pages import assert_soon, dashboard, get, put, value_of
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def dialog_button(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog").get_by_role("textbox", name=name, exact=True)


def test_key_is_created_and_shown(browser: Browser, server: Server) -> None:
    with dashboard(browser, server.address) as page:
        press(page, "New")
        box(page, "Key").fill("/new/\\x00\\xffä")
        box(page, "Value").fill("first\nsecond")
        dialog_button(page, "Create")
        page.locator("pre.code", has_text="second").wait_for()
        page.locator("[role=treeitem][aria-selected=true]").wait_for()
    assert value_of(server.address, b"/new/\0\xff\xc3\xa4") == b"first\nsecond"


def test_key_that_is_there_is_not_created_over(browser: Browser, server: Server) -> None:
    put(server.address, (b"there", b"old"))
    with dashboard(browser, server.address) as page:
        press(page, "New")
        box(page, "Key").fill("there")
        box(page, "Value").fill("new")
        dialog_button(page, "Create")
        page.get_by_text("There is such a key already").wait_for()
        page.locator(".diff-line.removed", has_text="old").wait_for()
    assert value_of(server.address, b"there") == b"old"


def test_value_is_edited_and_keeps_its_lease(browser: Browser, server: Server) -> None:
    put(server.address, (b"edited", b'{"a":1}'))
    with dashboard(browser, server.address, "#/keys?key=edited") as page:
        press(page, "Lease")
        page.get_by_role("dialog").get_by_label("Lease").select_option("new")
        page.get_by_label("Seconds to live").fill("600")
        dialog_button(page, "Attach")
        page.get_by_text("ends with its lease now").wait_for()
        press(page, "Edit")
        box(page, "Value").fill('{"a":2}')
        dialog_button(page, "Save")
        page.get_by_text("Saved as revision").wait_for()
        page.locator("pre.code", has_text='"a": 2').wait_for()
    (kv,) = get(server.address, b"edited").kvs
    assert (kv.value, kv.lease != 0, kv.version) == (b'{"a":2}', True, 3)


def test_value_changed_meanwhile_is_a_conflict_that_shows_both(
    browser: Browser, server: Server
) -> None:
    put(server.address, (b"contested", b"one\nseen"))
    with dashboard(browser, server.address, "#/keys?key=contested") as page:
        press(page, "Edit")
        box(page, "Value").fill("one\nmy line")
        put(server.address, (b"contested", b"one\ntheir line"))
        dialog_button(page, "Save")
        page.get_by_text("was changed meanwhile").wait_for()
        assert value_of(server.address, b"contested") == b"one\ntheir line"
        assert_soon(page.locator(".diff-line.removed mark").count, 1)
        page.locator(".diff-line.removed", has_text="their line").wait_for()
        page.locator(".diff-line.added", has_text="my line").wait_for()
        # A third version is a conflict once more.
        put(server.address, (b"contested", b"one\nthird"))
        page.get_by_role("button", name="Save over revision").click()
        page.locator(".diff-line.removed", has_text="third").wait_for()
        assert value_of(server.address, b"contested") == b"one\nthird"
        page.get_by_role("button", name="Save over revision").click()
        page.get_by_text("Saved as revision").wait_for()
    assert value_of(server.address, b"contested") == b"one\nmy line"


def test_change_by_others_is_told_where_the_key_is_shown(browser: Browser, server: Server) -> None:
    put(server.address, (b"watched", b"1"))
    with dashboard(browser, server.address, "#/keys?key=watched") as page:
        page.locator("pre.code").wait_for()
        put(server.address, (b"watched", b"2"))
        press(page, "Show it")
        page.locator("pre.code", has_text="2").wait_for()


def test_bytes_that_are_no_text_are_edited_as_digits(browser: Browser, server: Server) -> None:
    put(server.address, (b"binary", b"\xff\0\r\n"), (b"lines", b"a\r\nb"))
    with dashboard(browser, server.address, "#/keys?key=binary") as page:
        press(page, "Edit")
        area = box(page, "Value")
        assert_soon(area.input_value, "ff 00 0d 0a")
        area.fill("FF00 zz")
        dialog_button(page, "Save")
        page.get_by_text("“z” is no hexadecimal digit").wait_for()
        area.fill("FF01")
        dialog_button(page, "Save")
        page.get_by_text("Saved as revision").wait_for()
    assert value_of(server.address, b"binary") == b"\xff\x01"
    with dashboard(browser, server.address, "#/keys?key=lines") as page:
        press(page, "Edit")
        # A text area would have made one kind of line end of the other.
        assert_soon(box(page, "Value").input_value, "61 0d 0a 62")


def test_what_is_not_saved_is_thrown_away_only_at_the_second_time(
    browser: Browser, server: Server
) -> None:
    put(server.address, (b"draft", b"x"))
    with dashboard(browser, server.address, "#/keys?key=draft") as page:
        press(page, "Edit")
        box(page, "Value").fill("y")
        page.keyboard.press("Escape")
        page.get_by_text("changes that are not saved").wait_for()
        dialog_button(page, "Cancel")
        page.get_by_role("dialog").wait_for(state="hidden")
    assert value_of(server.address, b"draft") == b"x"


def test_key_is_deleted_if_it_is_as_it_was_seen(browser: Browser, server: Server) -> None:
    put(server.address, (b"doomed", b"1"))
    with dashboard(browser, server.address, "#/keys?key=doomed") as page:
        press(page, "Delete")
        put(server.address, (b"doomed", b"2"))
        dialog_button(page, "Delete")
        page.get_by_text("was changed meanwhile").wait_for()
        assert value_of(server.address, b"doomed") == b"2"
        dialog_button(page, "Delete")
        page.get_by_text("There is no such key now").wait_for()
    assert value_of(server.address, b"doomed") is None


def test_commands_are_copied(browser: Browser, server: Server) -> None:
    put(server.address, (b"it's", b"100 %"))
    permissions = ["clipboard-read", "clipboard-write"]
    with dashboard(browser, server.address, "#/keys?key=it's", permissions=permissions) as page:
        for item, copied in (
            ("etcdctl put", "etcdctl --endpoints=http://{0} put 'it'\\''s' '100 %'"),
            ("curl, to get", 'curl -s http://{0}/v3/kv/range -d \'{{"key":"aXQncw=="}}\''),
        ):
            press(page, "Copy")
            page.get_by_role("menuitem", name=item).click()
            page.get_by_text("The command copied").last.wait_for()
            # What is told of may still be the first one.
            assert_soon(
                lambda: page.evaluate("navigator.clipboard.readText()"),
                copied.format(server.address),
            )


def test_prefix_is_saved_to_a_file_and_comes_back(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    pairs = {b"/move/%03d" % number: b"v%d" % number for number in range(250)}
    pairs[b"/move/\xff"] = b"\0\xff"
    put(server.address, *pairs.items())
    with dashboard(browser, server.address, "#/keys?prefix=/move/") as page:
        page.get_by_text("251 keys").wait_for()
        press(page, "Actions for many keys")
        with page.expect_download() as started:
            page.get_by_role("menuitem", name="Download").click()
        file = tmp_path / "keys.json"
        started.value.save_as(file)
        saved = json.loads(file.read_text())
        assert len(saved["keys"]) == 251
        assert saved["keys"][-1] == {
            "key": {"base64": base64.b64encode(b"/move/\xff").decode()},
            "value": {"base64": base64.b64encode(b"\0\xff").decode()},
        }
        press(page, "Actions for many keys")
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_label("How many are that?").fill("250")
        dialog_button(page, "Delete all")
        page.get_by_text("That is another number").wait_for()
        page.get_by_label("How many are that?").fill("251")
        dialog_button(page, "Delete all")
        page.get_by_text("251 keys deleted").wait_for()

        put(server.address, (b"/move/000", b"other"), (b"/move/001", b"v1"))
        press(page, "Actions for many keys")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("menuitem", name="Upload").click()
        chooser.value.set_files(file)
        told = "251 keys in “keys.json”: 249 new, 1 with another value here, 1 the same."
        page.get_by_text(told).wait_for()
        dialog_button(page, "Upload")
        page.get_by_text("249 keys written").wait_for()
    pairs[b"/move/000"] = b"other"
    for key in (b"/move/000", b"/move/249", b"/move/\xff"):
        assert value_of(server.address, key) == pairs[key]


def test_file_that_is_none_is_refused(browser: Browser, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    with dashboard(browser, server.address) as page:
        for content, told in (
            ("{", "This is no JSON"),
            ('{"keys": [{"key": 1, "value": "x"}]}', "The key of entry 1 is neither"),
            ('{"keys": [{"key": "", "value": "x"}]}', "The key of entry 1 is empty"),
        ):
            file.write_text(content)
            press(page, "Actions for many keys")
            with page.expect_file_chooser() as chooser:
                page.get_by_role("menuitem", name="Upload").click()
            chooser.value.set_files(file)
            page.get_by_text(told).wait_for()
