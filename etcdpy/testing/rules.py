"""
What is to go wrong with requests: which, how, and how often.

A rule looks at each request before the node does, and at its answer before the client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from etcdpy.clock import Clock
from etcdpy.testing.requests import Method, Request, matches
from etcdpy.transport import StatusCode, StatusError
from etcdpy.transport.grpc.status import status_code

if TYPE_CHECKING:  # grpcio is for clients, and a fifth of what the first test waits for
    import grpc

__all__ = [
    "NO_LEADER",
    "Delay",
    "Drop",
    "Fail",
    "Finding",
    "NoLeader",
    "Rule",
    "Rules",
    "UnknownTokens",
    "wants_leader",
]

#: What is said of a failure that a test has ordered, where it does not say what to say.
ORDERED: Final = "etcdpy.testing: this failure was ordered"

#: (etcd: api/v3/v3rpc/rpctypes/error.go)
NO_LEADER: Final = StatusError(StatusCode.UNAVAILABLE, "etcdserver: no leader")
_TIMED_OUT: Final = StatusError(StatusCode.UNAVAILABLE, "etcdserver: request timed out")
_INVALID_TOKEN: Final = StatusError(StatusCode.UNAUTHENTICATED, "etcdserver: invalid auth token")

#: What a member answers by itself, without any other's consent. (etcd: ``v3rpc``, ``v3_server.go``)
_LOCAL: Final = (
    "Maintenance/Status",
    "Maintenance/Hash",
    "Maintenance/HashKV",
    "Maintenance/Snapshot",
    "Maintenance/Defragment",
    "Watch/Watch",
    "Lease/LeaseLeases",
    "Health/Check",
    "Health/Watch",
)


class Rule:
    """
    One thing that is to go wrong.

    Args:
        method: With which requests.
        times: How often; None for as long as it is set.

    """

    def __init__(self, method: Method, times: int | None = None) -> None:
        self._method = method
        self._left = times
        # Set for each call that waits because of it.
        self._waiting: set[asyncio.Event] = set()

    def takes(self, request: Request) -> bool:
        """Tell whether it is to happen to a request, and count it if so."""
        if self._left == 0 or not matches(self._method, request):
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def end(self) -> None:
        """Let go of whoever waits because of it."""
        for event in self._waiting:
            event.set()

    def check_open(self, stream: Request, caller: Any) -> None:
        """Raise what a stream is refused with as it opens."""

    async def before(self, request: Request, caller: Any) -> None:
        """Do what is to happen before the request is applied."""

    async def after(self, request: Request, caller: Any) -> None:
        """Do what is to happen before it is answered."""

    async def _wait(self, clock: Clock, seconds: float | None = None) -> None:
        """Wait so many seconds, or until this ends."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            if seconds is None:
                await event.wait()
            else:
                await clock.wait(event, seconds)
        finally:
            self._waiting.discard(event)


class Delay(Rule):
    """Requests take longer, before anything else is done."""

    def __init__(
        self, clock: Clock, seconds: float, method: Method, times: int | None = None
    ) -> None:
        super().__init__(method, times)
        self._clock = clock
        self._seconds = seconds

    async def before(self, request: Request, caller: Any) -> None:
        await self._wait(self._clock, self._seconds)


class Fail(Rule):
    """Requests are not applied, and refused."""

    def __init__(
        self, code: str, message: str | None, method: Method, times: int | None = None
    ) -> None:
        super().__init__(method, times)
        self._status = StatusError(code_named(code), ORDERED if message is None else message)

    async def before(self, request: Request, caller: Any) -> None:
        raise self._status


class Drop(Rule):
    """
    Requests are applied, and their answers lost.

    Args:
        clock: What is waited by.
        disconnect: Breaks the connection of a caller; None to have clients wait.

    """

    def __init__(
        self,
        clock: Clock,
        disconnect: Callable[[Any], None] | None,
        method: Method,
        times: int | None = None,
    ) -> None:
        super().__init__(method, times)
        self._clock = clock
        self._disconnect = disconnect

    async def after(self, request: Request, caller: Any) -> None:
        if self._disconnect is not None:
            self._disconnect(caller)
        await self._wait(self._clock)
        raise StatusError(StatusCode.UNAVAILABLE, ORDERED)


class Finding(Rule):
    """
    Something is found out with each request, before it is looked at.

    Args:
        find: Finds it.

    """

    def __init__(self, find: Callable[[], None]) -> None:
        super().__init__("*")
        self._find = find

    async def before(self, request: Request, caller: Any) -> None:
        # Whoever switches an alarm off is told that it is, and finds it on the next time.
        if request.method != "Maintenance/Alarm":
            self._find()


class NoLeader(Rule):
    """
    There is no leader, as in a member of a cluster that has lost its majority.

    Who has asked for one (``hasleader``) is refused at once; the others once the request timeout
    is over. What a member answers by itself goes on. (etcd: ``v3rpc/interceptor.go``)
    """

    def __init__(self, clock: Clock, request_timeout: float) -> None:
        super().__init__("*")
        self._clock = clock
        self._timeout = request_timeout

    def check_open(self, stream: Request, caller: Any) -> None:
        if wants_leader(caller):
            raise NO_LEADER

    async def before(self, request: Request, caller: Any) -> None:
        if request.over == "http" and request.method.partition(" ")[2].startswith("/"):
            return
        if wants_leader(caller):
            raise NO_LEADER
        if request.method in _LOCAL or getattr(request.message, "serializable", False):
            return
        await self._wait(self._clock, self._timeout)
        # (etcd: v3_server.go, LeaseRenew, which looks for the leader by itself)
        raise NO_LEADER if request.method == "Lease/LeaseKeepAlive" else _TIMED_OUT


class UnknownTokens(Rule):
    """Tokens that are none any more. It lasts: who has one has to log in again."""

    def __init__(self, tokens: frozenset[str]) -> None:
        super().__init__("*")
        self._tokens = tokens

    def check_open(self, stream: Request, caller: Any) -> None:
        if getattr(caller, "token", None) in self._tokens:
            raise _INVALID_TOKEN

    async def before(self, request: Request, caller: Any) -> None:
        # Whoever logs in anew may still send the old one with that. (etcd: it is not looked at)
        if request.method != "Auth/Authenticate":
            self.check_open(request, caller)


class Rules:
    """The rules that are set, the oldest first."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Set one."""
        self._rules.append(rule)

    def remove(self, rule: Rule) -> None:
        """Take one back. Harmless if that was done already."""
        if rule in self._rules:
            self._rules.remove(rule)
            rule.end()

    def clear(self) -> None:
        """Take all back."""
        for rule in list(self._rules):
            self.remove(rule)

    def check_open(self, stream: Request, caller: Any) -> None:
        """
        Let a stream be opened.

        Raises:
            StatusError: It is not to be.

        """
        for rule in self._rules:
            rule.check_open(stream, caller)

    async def apply(
        self, request: Request, caller: Any, answer: Callable[[], Awaitable[Any]]
    ) -> Any:
        """
        Answer a request, unless a rule has it otherwise.

        Raises:
            StatusError: A rule says so.

        """
        if not self._rules:
            return await answer()
        taking = [rule for rule in self._rules if rule.takes(request)]
        for rule in taking:
            await rule.before(request, caller)
        reply = await answer()
        for rule in taking:
            await rule.after(request, caller)
        return reply


def wants_leader(caller: Any) -> bool:
    """Tell whether a caller wants to be served by who has a leader alone."""
    # (etcd: api/v3/v3rpc/rpctypes/metadatafields.go)
    asked = getattr(caller, "invocation_metadata", None)
    return asked is not None and ("hasleader", "true") in asked()


def code_named(name: str | StatusCode | grpc.StatusCode) -> StatusCode:
    """
    Return a code of gRPC, given by its name, or as it is in grpcio.

    Raises:
        ValueError: There is none of that name.

    """
    if not isinstance(name, str):
        return status_code(name)
    try:
        return StatusCode[name.upper()]
    except KeyError:
        names = ", ".join(code.name for code in StatusCode)
        raise ValueError(f"{name!r} is no code of gRPC; there are {names}") from None
