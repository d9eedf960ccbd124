"""A page in a browser, from another origin, that writes and watches keys by ``fetch``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.conftest import reachable, start
from tests.support.browser import a_page, browser
from tests.support.http1 import ask, request

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]

#: Reads lines as they come, and resolves when there are as many events as are wanted.
WATCH = """
async ([url, body, wanted]) => {
  const abort = new AbortController();
  const reply = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "nobody asks" },
    body: JSON.stringify(body),
    signal: abort.signal,
  });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  const seen = [];
  let rest = "";
  while (seen.length < wanted) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      const result = JSON.parse(line).result;
      if (result.created) window.isWatching = true;
      for (const event of result.events ?? [])
        seen.push([event.type ?? "PUT", event.kv.key, event.kv.value ?? null]);
    }
  }
  abort.abort();
  return seen;
}
"""

POST = """
async ([url, body, method]) => {
  const reply = await fetch(url, {
    method: method ?? "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return [reply.status, await reply.json()];
}
"""


class _EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><link rel=icon href=data:,><title>elsewhere</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def elsewhere() -> Iterator[str]:
    """Serve an empty page from an origin of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with elsewhere() as origin:
        yield origin


def answers(page: Page, url: str, body: object, method: str = "POST") -> Any:
    return page.evaluate(POST, [url, body, method])


def test_page_writes_and_watches_keys_by_fetch(browser: Browser, origin: str) -> None:
    with start("etcdpy", *reachable()) as server, a_page(browser) as page:
        page.goto(origin)
        url = f"http://{server.address}/v3"
        body = {"create_request": {"key": "größe/", "range_end": "größe0"}}
        page.evaluate(
            f"(given) => {{ window.watching = ({WATCH})(given); }}",
            [f"{url}/watch?utf8=true", body, 3],
        )
        page.wait_for_function("window.isWatching")
        for name, value in (("a", "12"), ("b", "✓")):
            status, reply = answers(
                page, f"{url}/kv/put?utf8=true", {"key": f"größe/{name}", "value": value}
            )
            assert (status, list(reply)) == (200, ["header"])
        status, reply = answers(page, f"{url}/kv/range?utf8=true", {"key": "größe/b"})
        assert reply["kvs"][0]["value"] == "✓"
        answers(page, f"{url}/kv/deleterange?utf8=true", {"key": "größe/a"})
        assert page.evaluate("window.watching") == [
            ["PUT", "größe/a", "12"],
            ["PUT", "größe/b", "✓"],
            ["DELETE", "größe/a", None],
        ]


def test_page_is_told_what_is_wrong(browser: Browser, origin: str) -> None:
    told = "the server responded with a status of"
    with (
        start("etcdpy", *reachable()) as server,
        a_page(browser, expected_errors=[told]) as page,
    ):
        page.goto(origin)
        url = f"http://{server.address}/v3/kv/range"
        assert answers(page, url, {}) == [
            400,
            {"code": 3, "message": "etcdserver: key is not provided"},
        ]
        # A method that needs leave, which it has, though there is no use for it.
        assert answers(page, url, {}, "PUT") == [
            501,
            {"code": 12, "message": "Method Not Allowed"},
        ]


def test_page_from_an_origin_that_is_not_allowed_reads_nothing(
    browser: Browser, origin: str
) -> None:
    cors = "--cors=http://allowed.example:80"
    with (
        start("etcdpy", *reachable(), cors) as server,
        a_page(browser, expected_errors=["CORS policy", "Failed to load resource"]) as page,
    ):
        page.goto(origin)
        url = f"http://{server.address}/v3/kv/put"
        failed = page.evaluate(
            f"(given) => ({POST})(given).then(() => 'read', (error) => String(error))",
            [url, {"key": "YQ=="}, "POST"],
        )
        assert failed == "TypeError: Failed to fetch"
        # The browser has asked first, and so nothing was written.
        found = ask(server.address, request("/v3/kv/range", "POST", body=b'{"key":"YQ=="}'))
        assert b'"kvs"' not in found.body
