"""What waits for all clients together decides how much each gets at a time."""

from __future__ import annotations

import pytest

from etcdpy.watch.backlog import BACKLOG_BYTES, STRAINED_RESPONSE_BYTES, Backlog
from etcdpy.watch.reading import BYTES_PER_RESPONSE


@pytest.mark.parametrize(
    ("size", "is_strained", "limit"),
    [
        (0, False, BYTES_PER_RESPONSE),
        (BACKLOG_BYTES - 1, False, BYTES_PER_RESPONSE),
        (BACKLOG_BYTES, True, STRAINED_RESPONSE_BYTES),
        (BACKLOG_BYTES + 1, True, STRAINED_RESPONSE_BYTES),
    ],
)
def test_responses_are_small_while_much_waits(size: int, is_strained: bool, limit: int) -> None:
    backlog = Backlog()
    backlog.size = size
    assert (backlog.is_strained, backlog.response_limit) == (is_strained, limit)
