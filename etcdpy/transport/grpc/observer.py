"""
The one observer of calls: its listeners get the unary calls that have ended.

    observer = Observer()
    observer.listen(metrics.count)                          # gets every unary call
    observer.listen(slow_requests.ended, slower_than=0.3)   # gets those that took longer
    server = Server(options, observer=observer)             # or ReferenceServer

A listener is called with one :class:`EndedCall` on the loop's thread, when the answer has been
handed to the connection. It must not raise; what it raises is logged. Listeners are added before
the server listens anywhere.

While every listener has a ``slower_than``, calls that do not wait are not looked at: work goes in
slices, so they are not slow. Those that wait are compared with the clock that was read when their
bytes arrived, which costs the others nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_logger: Final = logging.getLogger(__name__)


class EndedCall(NamedTuple):
    """
    A unary call that is over.

    Attributes:
        path: Its method, ``/etcdserverpb.KV/Put``.
        peer: Who asked, as gRPC writes it.
        request: What its handler was given, None if it could not be read.
        response: What the handler returned, None if it failed or the call was cancelled.
        seconds: From the arrival of the request to the end of the handler.
        code: The number of the gRPC status it ended with.

    """

    path: str
    peer: str
    request: Any
    response: Any
    seconds: float
    code: int


Listener = Callable[[EndedCall], None]


class Observer:
    """
    The listeners of a server, or of several.

    Attributes:
        limit: Seconds that a call must exceed for any listener to get it: infinite without
            listeners, minus infinity if one gets all.

    """

    def __init__(self) -> None:
        self.limit = math.inf
        self._listeners: list[tuple[float, Listener]] = []
        self._is_in_use = False

    def listen(self, listener: Listener, *, slower_than: float = 0.0) -> None:
        """
        Call ``listener`` with calls from now on.

        Args:
            listener: What to call.
            slower_than: Only with those that took more seconds; 0 for all.

        Raises:
            RuntimeError: A server is in use already that could not do so.

        """
        least = slower_than if slower_than > 0 else -math.inf
        if self._is_in_use and least < self.limit:
            raise RuntimeError("listeners are added before the server listens")
        self._listeners.append((least, listener))
        self.limit = min(self.limit, least)

    def use(self) -> float:
        """Return ``limit``, which does not fall from now on."""
        self._is_in_use = True
        return self.limit

    def ended(self, call: EndedCall) -> None:
        """Hand a call to each listener that it took long enough for."""
        for slower_than, listener in self._listeners:
            if call.seconds > slower_than:
                try:
                    listener(call)
                except Exception:
                    _logger.exception("listener %r failed on a call of %s", listener, call.path)
