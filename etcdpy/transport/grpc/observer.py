"""Whom to tell of unary calls that took long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etcdpy.transport.grpc.call import Call


class SlowCalls:
    """
    Judges the calls of inline handlers that had to wait; one that never does is not slow.

    Args:
        limit: Seconds from the arrival of a request to the end of its handler.
        tell: Called with the call, its request, the response (None if it failed) and the
            seconds, on the loop's thread, when all is sent.

    """

    def __init__(
        self,
        limit: float = math.inf,
        tell: Callable[[Call, Any, Any, float], None] = lambda *_: None,
    ) -> None:
        self.limit = limit
        self._tell = tell

    def ended(self, call: Call, response: Any) -> None:
        """Take note of a call that ended too late."""
        self._tell(call, call.request, response, time.monotonic() - call.started)
