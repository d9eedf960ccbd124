"""
A real browser for tests of pages: Debian's Chromium, driven by Playwright.

    from tests.support.browser import a_page, browser  # in a conftest.py: the fixture


    def test_page(browser: Browser) -> None:
        with a_page(browser) as page:
            page.goto(f"http://{address}/")

The fixture is one process for all tests of a module; each test has a context of its own, with
nothing in it of another's. Whatever a page reports as an error is the test's failure.

Playwright runs an event loop in this thread for as long as there is a browser, so a module that
uses one has no tests that are coroutines.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:  # it may not be there, which skips tests instead of breaking them
    from playwright.sync_api import Browser, Page

__all__ = ["a_page", "browser", "running_browser"]

#: Names an executable of Chromium that is not in PATH under one of the usual names.
VARIABLE: Final = "ETCDPY_CHROMIUM"
#: The first one has no window and takes half the time.
_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

#: Milliseconds that a page may take for anything, as the machine may be busy.
PATIENCE: Final = 60_000


def _executable() -> str:
    """Return where Chromium is, or skip the test with the reason why there is none."""
    chosen = os.environ.get(VARIABLE)
    found = chosen or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None or not os.access(found, os.X_OK):
        pytest.skip(
            f"there is no Chromium (Debian: apt install chromium-headless-shell; or set {VARIABLE})"
        )
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser until the block ends; skips the test where there is none."""
    executable = _executable()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("there is no Playwright to drive a browser with (pip install playwright)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable)
        try:
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with running_browser() as running:
        yield running


@contextmanager
def a_page(browser: Browser, expected_errors: Sequence[str] = (), **context: Any) -> Iterator[Page]:
    """
    Open an empty page in a context of its own until the block ends, and check what it reported.

    Args:
        browser: Where.
        expected_errors: Parts of the messages of errors that are no failure.
        context: What Playwright's ``new_context`` takes, such as ``color_scheme="dark"``.

    Raises:
        AssertionError: The page threw something, or wrote an error to the console.

    """
    reported: list[str] = []
    made = browser.new_context(**context)
    made.set_default_timeout(PATIENCE)
    page = made.new_page()
    page.on("pageerror", lambda error: reported.append(str(error)))
    page.on(
        "console",
        lambda message: reported.append(message.text) if message.type == "error" else None,
    )
    try:
        yield page
    finally:
        made.close()
    unexpected = [text for text in reported if not any(part in text for part in expected_errors)]
    assert not unexpected, "\n".join(unexpected)
