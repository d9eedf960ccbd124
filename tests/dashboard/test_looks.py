"""
How it looks, for eyes and for those without: in both themes, from a telephone to a wall.

``ETCDPY_DASHBOARD_PICTURES`` names a folder for pictures of what is looked at.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from etcdpy.pb import rpc_pb2
from tests.dashboard.pages import assert_soon, dashboard, put
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = os.environ.get("ETCDPY_DASHBOARD_PICTURES")

#: Each panel: where it is, and what is there once it can be looked at.
PANELS = {
    "keys": ("#/keys?key=/app/config/server.json", "pre.code"),
    "history": ("#/history?key=/app/config/server.json", ".diff-line.added"),
    "live": ("#/live", ".live-row"),
    "leases": ("#/leases", ".lease-left"),
    "locks": ("#/locks", ".queue-entry"),
    "node": ("#/node", ".fact-list"),
    "users": ("#/users", ".user-name"),
    "v2": ("#/v2?path=/services/web", "pre.code"),
}

CONFIG = {
    "listen": "0.0.0.0:8443",
    "tls": {"cert": "/etc/tls/server.pem", "minVersion": 1.2},
    "limits": {"connections": 2000, "requestBytes": 1048576},
    "features": ["gzip", "http2"],
    "debug": False,
}


@pytest.fixture(scope="module")
def world(browser: Browser) -> Iterator[Server]:
    """A server with something in it for every panel."""
    with etcdpy_server(args=("--enable-v2",)) as server:
        _fill(server.address)
        yield server


def _fill(address: str) -> None:
    with closing(Client(address)) as client:

        def leased(key: str, value: bytes, ttl: int) -> None:
            lease = client.lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=ttl)).ID
            put(address, (key.format(f"{lease:x}").encode(), value), lease=lease)

        newer = CONFIG | {"debug": True, "limits": {"connections": 4000, "requestBytes": 1048576}}
        for version in (CONFIG, newer):
            put(address, (b"/app/config/server.json", json.dumps(version).encode()))
        put(
            address,
            (b"/app/config/routes.yaml", b"routes:\n  - path: /\n    to: web\n"),
            (b"/app/config/motd", b"Welcome!\n"),
            *((b"/registry/pods/default/web-%04d" % n, b"k8s\0\n\x0f\n\x02v1") for n in range(340)),
            *((b"/registry/services/web-%d" % n, b"{}") for n in range(12)),
            (b"/raw/\xff\x00\n", bytes(range(64))),
        )
        for ttl in (3000, 1200, 6000):
            leased("/locks/deploy/{}", b"", ttl)
        for node, ttl in (("node-a:7001", 900), ("node-b:7001", 1200)):
            leased("/elections/scheduler/{}", node.encode(), ttl)
        leased("/sessions/{}", b"web", 3600)
        url = f"http://{address}/v2/keys/services/"
        for name in ("db", "web"):
            body = f"value=10.0.0.{len(name)}:8080".encode()
            urllib.request.urlopen(
                urllib.request.Request(url + name, body, method="PUT"), timeout=30
            ).close()
        for user in ("root", "alice", "deploy-bot"):
            client.auth.UserAdd(rpc_pb2.AuthUserAddRequest(name=user, password="pw"))
            client.auth.RoleAdd(rpc_pb2.AuthRoleAddRequest(name=user))
            client.auth.UserGrantRole(rpc_pb2.AuthUserGrantRoleRequest(user=user, role=user))
            request = rpc_pb2.AuthRoleGrantPermissionRequest(name=user)
            request.perm.permType = request.perm.READWRITE
            request.perm.key, request.perm.range_end = b"/app/", b"/app0"
            client.auth.RoleGrantPermission(request)


#: Returns what is wrong with what is shown, as sentences.
LOOK = Path(__file__).with_name("look.js").read_text()

#: Kept from the first script on: everything that moved without having been asked to.
SHIFTS = """
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts.push(entry.value);
  }).observe({ type: "layout-shift", buffered: true });
"""

WINDOWS = {"360": (360, 740), "1440": (1440, 900), "3840": (3840, 2160)}
#: All of them with pictures; else two that between them have every width but the widest, and both
#: themes.
LOOKED_AT = [(width, theme) for width in WINDOWS for theme in ("light", "dark")]
SOME = [("360", "light"), ("1440", "dark")]


@pytest.mark.parametrize(("width", "theme"), LOOKED_AT if PICTURES else SOME)
def test_every_panel_can_be_read_by_everybody(
    browser: Browser, world: Server, width: str, theme: str
) -> None:
    size = dict(zip(("width", "height"), WINDOWS[width], strict=True))
    with dashboard(
        browser, world.address, "static/icon.svg", viewport=size, color_scheme=theme
    ) as page:
        page.add_init_script(SHIFTS)
        for panel, (place, sign) in PANELS.items():
            page.goto(f"http://{world.address}/mod/dashboard/{place}")
            if panel == "live":
                page.get_by_text("Watching", exact=True).wait_for()
                _happen(world.address)
            page.locator(sign).first.wait_for()
            if PICTURES:
                _picture(page, panel, Path(PICTURES) / f"{panel}-{width}-{theme}.webp")
            assert page.evaluate(LOOK) == [], f"{panel} at {width}, {theme}"
            moved = page.evaluate("shifts.reduce((sum, one) => sum + one, 0)")
            assert moved < 0.1, f"{panel} at {width} moved by itself"


def test_what_is_wrong_is_seen(browser: Browser, world: Server) -> None:
    with dashboard(browser, world.address, viewport={"width": 360, "height": 740}) as page:
        page.get_by_role("tree").wait_for()
        page.evaluate("""() => {
          document.querySelector('#tools button').removeAttribute('aria-label');
          document.querySelector('#tools button').removeAttribute('title');
          document.querySelector('.brand').style.color = '#ddd';
          document.querySelector('.tree-tools button').style.marginLeft = '400px';
          document.querySelector('.tree-tools').id = 'main';
        }""")
        kinds = {wrong.split(":")[0].split(" ")[0] for wrong in page.evaluate(LOOK)}
        assert kinds >= {"nameless", "twice", "outside", "contrast"}


def _happen(address: str) -> None:
    for number in range(12):
        put(address, (b"/jobs/%d" % number, b'{"state":"running"}'))
        if number % 4 == 3:
            with closing(Client(address)) as client:
                client.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"/jobs/%d" % number))


def _picture(page: Page, panel: str, file: Path) -> None:
    # So that there is something to plot: each second, or each look at the figures, is a place.
    for _ in range({"live": 8, "node": 6}.get(panel, 0)):
        _happen(urlsplit(page.url).netloc)
        page.wait_for_timeout({"live": 1000, "node": 5200}[panel])
    page.wait_for_timeout(300)
    asked = {"format": "webp", "quality": 75}
    taken = page.context.new_cdp_session(page).send("Page.captureScreenshot", asked)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(taken["data"]))


def test_everything_is_reached_with_the_keyboard(browser: Browser, world: Server) -> None:
    with dashboard(browser, world.address, "#/keys?key=/app/config/motd") as page:
        page.locator("pre.code").wait_for()
        page.locator("body").press("Tab")
        focused = "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
        order = [page.evaluate(focused)]
        for _ in range(24):
            page.keyboard.press("Tab")
            order.append(page.evaluate(focused))
        for earlier, later in (
            ("Skip to content", "etcdpy"),
            ("etcdpy", "Keys"),
            ("Keys", "Live"),
            ("Live", "Show keys with this prefix; Enter goes to the key"),
            ("Show keys with this prefix; Enter goes to the key", "New"),
            ("New", "Read the keys again"),
            ("Read the keys again", "Edit"),
            ("Edit", "Delete"),
        ):
            assert order.index(earlier) < order.index(later), order
        # A dialog keeps the focus within, and gives it back.
        page.get_by_role("button", name="Edit").press("Enter")
        page.get_by_role("dialog").wait_for()
        for _ in range(8):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.matches('body, dialog *')")
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        assert_soon(lambda: page.evaluate(focused), "Edit")


def test_theme_is_chosen_and_remembered(browser: Browser, world: Server) -> None:
    with dashboard(browser, world.address, color_scheme="light") as page:
        ground = "getComputedStyle(document.body.querySelector('.bar')).backgroundColor"
        light = page.evaluate(ground)
        button = page.get_by_role("button", name="Colours")
        for theme in ("light", "dark"):
            button.click()
            assert_soon(lambda: button.get_attribute("aria-label"), f"Colours: {theme}")
        dark = page.evaluate(ground)
        assert dark != light
        page.reload()
        page.get_by_role("tree").wait_for()
        assert page.evaluate(ground) == dark


def test_panel_without_the_gateway_says_so(browser: Browser) -> None:
    with (
        etcdpy_server(args=("--enable-grpc-gateway=false",)) as server,
        dashboard(browser, server.address) as page,
    ):
        page.get_by_text("does not serve its JSON gateway").wait_for()
