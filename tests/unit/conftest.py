"""What unit tests of several folders need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from etcdpy.logs.handler import LineHandler

# However busy the machine is, a test reads what it has logged.
LineHandler.FLUSH_SECONDS = 60.0


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was before once the test is over."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)
