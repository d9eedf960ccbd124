"""A browser, and servers, for the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.pages import Scripts
from tests.support.browser import a_page, running_browser
from tests.support.servers import Server, etcdpy_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Of the package, as both take a second to start: none of its tests is a coroutine, and they are
# gone before any other test runs.


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests of the page."""
    with running_browser() as running:
        yield running


@pytest.fixture(scope="package")
def server(browser: Browser) -> Iterator[Server]:
    """A server for tests that have keys of their own. Without a browser there is no use in one."""
    with etcdpy_server() as running:
        yield running


@pytest.fixture(scope="module")
def fresh(browser: Browser) -> Iterator[Server]:
    """A server for the tests of a module alone."""
    with etcdpy_server() as running:
        yield running


@pytest.fixture(scope="module")
def scripts(browser: Browser, server: Server) -> Iterator[Scripts]:
    """The modules of the page, as the server serves them."""
    with a_page(browser) as page:
        page.goto(f"http://{server.address}/mod/dashboard/static/icon.svg")
        yield Scripts(page)
