"""Requests of HTTP as callers of a node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from etcdpy.clock import Clock
from etcdpy.http.paths import PATHS
from etcdpy.memory import Account
from etcdpy.services.caller import token_in
from etcdpy.transport import StatusCode, StatusError
from etcdpy.transport.http import HttpRequest

__all__ = ["HttpCaller", "out_of_time"]

#: What the names of headers begin with that are metadata of gRPC. (etcd: ``runtime/context.go``)
_METADATA: Final = b"grpc-metadata-"


class HttpCaller:
    """
    Who has sent a request of HTTP.

    A certificate names nobody here, as in etcd: requests come through a door that has none to show.

    Args:
        request: What was sent.
        clock: What the deadline is on.
        seconds: How long an answer is waited for, None for any time.

    Attributes:
        write: Sends a response of a stream; of callers that are given a stream.
        write_parts: Sends one that is encoded already, and given in two parts.

    """

    is_trusted = False
    #: What it is sent is made while it is taken.
    takes_long_replies = True
    certificate_name: str | None = None

    write: Callable[[Any], Awaitable[None]]
    write_parts: Callable[[bytes, bytes], Awaitable[None]]

    def __init__(self, request: HttpRequest, clock: Clock, seconds: float | None = None) -> None:
        self._request = request
        self._clock = clock
        self._deadline = None if seconds is None else clock.monotonic() + seconds

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what would be metadata of a call of gRPC, in the order in which it was sent."""
        found = []
        for name, value in self._request.headers:
            if name in (b"authorization", b"user-agent"):
                found.append((name.decode(), value.decode("latin-1")))
            elif name.startswith(_METADATA):
                key = name.removeprefix(_METADATA).decode("latin-1")
                found.append((key, value.decode("latin-1")))
        return tuple(found)

    @property
    def token(self) -> str | None:
        """See ``Caller``."""
        return token_in(self.invocation_metadata())

    @property
    def method(self) -> str | None:
        """See ``Caller``: the one of gRPC that it stands for."""
        return PATHS.get(self._request.path.partition("?")[0])

    @property
    def user_agent(self) -> str | None:
        """See ``Caller``."""
        said = (value for name, value in self._request.headers if name == b"user-agent")
        return next((value.decode("latin-1") for value in said), None)

    def peer(self) -> str:
        """See ``Caller``."""
        return self._request.peer

    @property
    def memory(self) -> Account | None:
        """What is held for its client, None if that has no account."""
        return self._request.account

    @property
    def has_deadline(self) -> bool:
        """Whether there is a limit to how long an answer is waited for."""
        return self._deadline is not None

    def time_remaining(self) -> float | None:
        """See ``Caller``."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - self._clock.monotonic())

    @contextmanager
    def limited(self) -> Iterator[None]:
        """
        Let what is awaited in the block take no longer than there is time.

        Raises:
            StatusError: There is none, or no more.

        """
        remaining = self.time_remaining()
        if remaining is None:
            yield
            return
        if not remaining:
            raise out_of_time()
        task = asyncio.current_task()
        assert task is not None
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        timer = self._clock.wake_after(remaining, expire)
        try:
            yield
        except asyncio.CancelledError:
            if not expired:
                raise
            raise out_of_time() from None
        finally:
            timer.cancel()


def out_of_time() -> StatusError:
    """Return the status of a call whose deadline has passed. (Go: ``context.DeadlineExceeded``)"""
    return StatusError(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded")
