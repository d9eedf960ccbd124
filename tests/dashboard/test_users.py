"""Users, roles, and what is shown to whom; with TLS as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdpy.pb import auth_pb2, rpc_pb2
from tests.dashboard.pages import REFUSED, dashboard, put, row
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def guarded(browser: Browser) -> Iterator[Server]:
    """A server with the users root, and alice, who has what begins with /alice/."""
    with etcdpy_server() as server:
        put(server.address, (b"/alice/key", b"hers"), (b"/secret/key", b"not hers"))
        with closing(Client(server.address)) as client:
            auth = client.auth
            for name in ("root", "alice"):
                auth.UserAdd(rpc_pb2.AuthUserAddRequest(name=name, password=f"pw-{name}"))
                auth.RoleAdd(rpc_pb2.AuthRoleAddRequest(name=name))
                auth.UserGrantRole(rpc_pb2.AuthUserGrantRoleRequest(user=name, role=name))
            perm = auth_pb2.Permission(
                permType=auth_pb2.Permission.READWRITE, key=b"/alice/", range_end=b"/alice0"
            )
            auth.RoleGrantPermission(
                rpc_pb2.AuthRoleGrantPermissionRequest(name="alice", perm=perm)
            )
            auth.AuthEnable(rpc_pb2.AuthEnableRequest())
        yield server


def log_in(page: Page, name: str, password: str | None = None) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User").fill(name)
    dialog.get_by_label("Password").fill(password or f"pw-{name}")
    dialog.get_by_role("button", name="Log in").click()


def test_who_asks_is_asked_for_and_not_kept(browser: Browser, guarded: Server) -> None:
    with dashboard(browser, guarded.address, expected_errors=REFUSED) as page:
        page.get_by_text("This server wants to know who asks").wait_for()
        log_in(page, "root", "wrong")
        page.get_by_text("authentication failed").wait_for()
        log_in(page, "root")
        row(page, "/").wait_for()
        page.get_by_role("button", name="Log out root").wait_for()
        kept = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert kept == '[{},{},""]'
        page.reload()
        page.get_by_text("This server wants to know who asks").wait_for()
        log_in(page, "root")
        page.get_by_role("button", name="Log out root").click()
        page.get_by_role("dialog").wait_for()


def test_denials_are_told_and_what_is_allowed_works(browser: Browser, guarded: Server) -> None:
    with dashboard(browser, guarded.address, expected_errors=REFUSED) as page:
        log_in(page, "alice")
        page.get_by_text("You may not see this: permission denied").wait_for()
        page.get_by_role("searchbox").fill("/alice/")
        row(page, "key").click()
        page.locator("pre.code", has_text="hers").wait_for()
        page.get_by_role("button", name="Edit").click()
        page.get_by_role("dialog").get_by_role("textbox", name="Value").fill("new")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved as revision").wait_for()
        for panel, told in (
            ("live", "You may not see this"),
            ("history?key=/secret/key", "You may not see this"),
            ("leases", "0 leases"),
            ("users", "Only root sees all users and roles"),
        ):
            page.goto(f"http://{guarded.address}/mod/dashboard/#/{panel}")
            page.get_by_text(told).wait_for()
        page.get_by_text("keys with /alice/").wait_for()
        page.goto(f"http://{guarded.address}/mod/dashboard/#/node")
        page.get_by_role("button", name="Defragment").click()
        page.get_by_role("dialog").get_by_role("button", name="Defragment").click()
        page.get_by_role("dialog").get_by_text("permission denied").wait_for()


def test_users_and_roles_are_made_and_unmade(browser: Browser, fresh: Server) -> None:
    with dashboard(browser, fresh.address, "#/users") as page:
        page.get_by_text("Authentication is off").wait_for()

        def fill(button: str, values: dict[str, str], action: str) -> None:
            page.get_by_role("button", name=button).click()
            dialog = page.get_by_role("dialog")
            for label, value in values.items():
                dialog.get_by_label(label, exact=True).fill(value)
            dialog.get_by_role("button", name=action, exact=True).click()
            dialog.wait_for(state="detached")

        for name in ("root", "bob"):
            fill("New user", {"Name": name, "Password": "pw"}, "Add")
        fill("New role", {"Name": "root"}, "Add")
        fill("New role", {"Name": "team"}, "Add")
        fill("Grant a right to team", {"Key": "/team/"}, "Grant")
        page.get_by_text("keys with /team/").wait_for()
        for name, role in (("root", "root"), ("bob", "team")):
            page.get_by_role("button", name=f"Grant a role: {name}").click()
            page.get_by_label("Role", exact=True).select_option(role)
            page.get_by_role("dialog").get_by_role("button", name="Grant").click()
            page.get_by_role("button", name=f"Take the role {role} from {name}").wait_for()
        page.get_by_role("button", name="Take this right from team").click()
        page.get_by_text("May do nothing").wait_for()
        page.get_by_role("button", name="Delete: bob").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_role("article").filter(has_text="bob").wait_for(state="detached")
    with dashboard(browser, fresh.address, "#/users", expected_errors=REFUSED) as page:
        page.get_by_role("button", name="Switch on").click()
        page.get_by_role("dialog").get_by_role("button", name="Switch on").click()
        log_in(page, "root", "pw")
        page.get_by_text("Authentication is on").wait_for()


def test_all_of_it_works_over_tls(browser: Browser, tmp_path: Path) -> None:
    pair = Authority.make(tmp_path).server()
    options = (
        "--listen-client-urls=https://127.0.0.1:0",
        "--advertise-client-urls=https://127.0.0.1:2379",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
    )
    with (
        etcdpy_server(args=options) as server,
        dashboard(browser, server.address, scheme="https", ignore_https_errors=True) as page,
    ):
        page.get_by_text("There are no keys yet").wait_for()
        page.get_by_role("button", name="New").click()
        page.get_by_role("dialog").get_by_role("textbox", name="Key").fill("safe")
        page.get_by_role("dialog").get_by_role("button", name="Create").click()
        row(page, "safe").wait_for()
        page.get_by_role("link", name="Live").click()
        page.get_by_text("Watching", exact=True).wait_for()
        # Two windows: the events of one come to the other, over HTTP/2.
        other = page.context.new_page()
        other.goto(f"https://{server.address}/mod/dashboard/#/keys?key=safe")
        other.get_by_role("button", name="Delete").click()
        other.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.locator(".live-kind", has_text="delete").wait_for()
        page.get_by_role("link", name="Node").click()
        page.get_by_text("No alarm is on").wait_for()
