"""Node: what runs, and what is done to it as a whole."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from etcdpy.pb import rpc_pb2
from tests.dashboard.pages import assert_soon, dashboard, put
from tests.support.client import Client
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def do(page: Page, name: str) -> None:
    """Press a button, and the one of the same name that it is asked about with."""
    page.get_by_role("button", name=f"{name} …").click()
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def fact(page: Page, name: str) -> str:
    return page.locator(f"dt:text-is('{name}') + dd").inner_text()


def test_figures_are_those_of_the_server(browser: Browser, fresh: Server) -> None:
    put(fresh.address, *((b"/n/%d" % number, b"x") for number in range(50)))
    with closing(Client(fresh.address)) as client:
        status = client.maintenance.Status(rpc_pb2.StatusRequest(), timeout=60)
    with dashboard(browser, fresh.address, "#/node") as page:
        page.locator("dt:text-is('Keys') + dd", has_text="50").wait_for()
        for name, told in (
            ("Name", "conformance"),
            ("API of etcd", status.version),
            ("Member ID", f"{status.header.member_id:016x}"),
            ("History begins at", "the beginning"),
        ):
            assert_soon(lambda name=name: fact(page, name), told)  # type: ignore[misc]
        page.get_by_role("row").filter(has_text="http://127.0.0.1:2380").wait_for()
        assert_soon(page.locator(".plot").count, 4)
        page.get_by_label("Database against its quota").wait_for()


def test_alarm_is_disarmed(browser: Browser, fresh: Server) -> None:
    with closing(Client(fresh.address)) as client:
        alarm = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.ACTIVATE, alarm=rpc_pb2.NOSPACE)
        client.maintenance.Alarm(alarm, timeout=60)
        with dashboard(browser, fresh.address, "#/node") as page:
            page.get_by_text("NOSPACE").wait_for()
            do(page, "Disarm")
            page.get_by_text("No alarm is on").wait_for()
        listed = client.maintenance.Alarm(rpc_pb2.AlarmRequest(), timeout=60)
    assert list(listed.alarms) == []


def test_history_is_compacted_and_space_given_back(browser: Browser, fresh: Server) -> None:
    for _ in range(3):
        put(fresh.address, *((b"/fat/%d" % number, b"x" * 50_000) for number in range(20)))
    with dashboard(browser, fresh.address, "#/node") as page:
        page.get_by_role("button", name="Compact …").click()
        kept = int(page.get_by_label("Keep history from revision").input_value())
        page.get_by_label("Wait until the space is free").check()
        page.get_by_role("dialog").get_by_role("button", name="Compact", exact=True).click()
        page.get_by_text(f"History begins at revision {kept} now").wait_for()
        page.locator("dd", has_text=f"revision {kept}").wait_for()
        page.get_by_role("button", name="Defragment …").click()
        page.get_by_text("go back to the file system").wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Defragment").click()
        page.get_by_text("Defragmented:").wait_for()
    with closing(Client(fresh.address)) as client:
        status = client.maintenance.Status(rpc_pb2.StatusRequest(), timeout=60)
    assert status.dbSize - status.dbSizeInUse < 1_000_000


def test_snapshot_is_downloaded_whole(browser: Browser, fresh: Server, tmp_path: Path) -> None:
    put(fresh.address, *((b"/snap/%d" % number, b"y" * 100_000) for number in range(10)))
    with dashboard(browser, fresh.address, "#/node") as page:
        with page.expect_download() as started:
            page.get_by_role("button", name="Snapshot …").click()
        file = tmp_path / "snapshot.db"
        started.value.save_as(file)
        assert started.value.suggested_filename.endswith(".db")
    data = file.read_bytes()
    assert len(data) > 1_000_000
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
