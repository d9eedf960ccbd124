"""Requests of v2 as callers of a node."""

from __future__ import annotations

from etcdpy.transport import HttpRequest

__all__ = ["RootCaller"]


class RootCaller:
    """
    Who has sent a request of v2, and was let in: that is root, or authentication is off.

    Args:
        request: What was sent.

    """

    is_trusted = True
    token: str | None = None
    certificate_name: str | None = None

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def method(self) -> str | None:
        """See ``Caller``: the path, without its parameters."""
        return self._request.path.partition("?")[0]

    @property
    def user_agent(self) -> str | None:
        """See ``Caller``."""
        return self._request.header(b"user-agent")

    def peer(self) -> str:
        """See ``Caller``."""
        return self._request.peer

    def time_remaining(self) -> float | None:
        """Return None: it waits until it hangs up."""
        return None
