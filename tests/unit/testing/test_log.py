"""What servers log goes to whoever started them, and nowhere else meanwhile."""

from __future__ import annotations

import logging
import threading

import pytest

from etcdpy.testing.log import Log


def test_lines_are_taken_while_it_is_open(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    logger = logging.getLogger("etcdpy.something")
    before = logging.getLogger("etcdpy").level
    log.open()
    logger.info("hello", {"a": 1})
    log.close()
    log.close()
    logger.info("nobody hears this")
    assert len(log) == 1
    assert '"msg":"hello","a":1' in log[0]
    assert str(log) == log[0] + "\n"
    assert log[:1] == list(log)
    assert caplog.records == []
    assert logging.getLogger("etcdpy").level == before
    log.clear()
    assert len(log) == 0


def test_each_server_has_its_own_lines() -> None:
    mine, other = Log(), Log()
    mine.open()
    other.open()
    mine.listen_to(threading.get_ident())
    other.listen_to(-1)
    logging.getLogger("etcdpy").warning("mine")
    assert (len(mine), len(other)) == (1, 0)
    mine.close()
    other.close()
