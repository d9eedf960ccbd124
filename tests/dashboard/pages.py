"""Opening the dashboard, and what tests do with it again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from etcdpy.pb import rpc_pb2
from tests.support.browser import PATIENCE, a_page
from tests.support.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

#: What Chromium writes into its console for an answer that is an error. The page shows these
#: itself, so they are no errors of its own.
REFUSED = ("Failed to load resource: the server responded with a status",)
#: The same for a server that is not there.
AWAY = (*REFUSED, "Failed to load resource: net::ERR_")

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 360, "height": 740}


@contextmanager
def dashboard(
    browser: Browser,
    address: str,
    place: str = "",
    scheme: str = "http",
    expected_errors: Sequence[str] = (),
    **context: Any,
) -> Iterator[Page]:
    """Open the dashboard of a server at a place such as ``#/live`` until the block ends."""
    context.setdefault("viewport", WIDE)
    with a_page(browser, expected_errors, **context) as page:
        page.goto(f"{scheme}://{address}/mod/dashboard/{place}")
        yield page


def put(address: str, *pairs: tuple[bytes, bytes], lease: int = 0) -> None:
    """Put keys by gRPC, in one transaction for each hundred."""
    with closing(Client(address)) as client:
        for first in range(0, len(pairs), 100):
            request = rpc_pb2.TxnRequest()
            for key, value in pairs[first : first + 100]:
                request.success.add().request_put.CopyFrom(
                    rpc_pb2.PutRequest(key=key, value=value, lease=lease)
                )
            client.kv.Txn(request, timeout=60)


def get(address: str, key: bytes) -> rpc_pb2.RangeResponse:
    with closing(Client(address)) as client:
        reply: rpc_pb2.RangeResponse = client.kv.Range(
            rpc_pb2.RangeRequest(key=key), timeout=60, wait_for_ready=True
        )
        return reply


def value_of(address: str, key: bytes) -> bytes | None:
    reply = get(address, key)
    return reply.kvs[0].value if reply.kvs else None


def assert_soon(read: Callable[[], object], expected: object) -> None:
    """Fail unless what can only be looked at becomes what is expected."""
    deadline = time.monotonic() + PATIENCE / 1000
    while (found := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found == expected


def row(page: Page, name: str) -> Locator:
    """Return the row of the tree with a name."""
    return page.get_by_role("treeitem").filter(has_text=name).first


class Scripts:
    """Calls functions of the dashboard's modules, which know neither page nor server."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def call(self, module: str, function: str, *args: object) -> Any:
        """Return what a function returns for arguments that JSON can say."""
        return self.run(f"return m.{function}(...args)", {"m": module}, *args)

    def run(self, body: str, modules: Mapping[str, str], *args: object) -> Any:
        """Return what the body of a function returns, modules being there under names."""
        imports = "".join(
            f"const {name} = await import('/mod/dashboard/static/{module}');"
            for name, module in modules.items()
        )
        run = f"(async () => {{ {body} }})()"
        returned = self._page.evaluate(
            f"async (args) => {{ {imports} return JSON.stringify((await {run}) ?? null); }}",
            list(args),
        )
        return json.loads(returned)
