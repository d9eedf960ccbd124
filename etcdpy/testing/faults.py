"""What is to go wrong with a test's server, as the test orders it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from etcdpy.testing.requests import Method

__all__ = ["Fault", "Faults"]


class Fault:
    """
    A fault that has begun. It ends with the ``with`` block, by ``end``, or with the test.

    Args:
        call: Does something to the server.
        number: The fault's.

    """

    def __init__(self, call: Callable[..., Any], number: int) -> None:
        self._call = call
        self._number = number

    def end(self) -> None:
        """End it. Harmless if it has ended, with the server for example."""
        self._call("end_fault", number=self._number)

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class Faults:
    """
    What can go wrong. Each method begins a fault, at once, and returns it::

        etcd.faults.fail("KV/Put", code="UNAVAILABLE", times=2)     # until the test ends
        with etcd.faults.delay("KV/*", seconds=2):                  # for the block
            ...

    ``method`` is ``"KV/Put"``, ``"KV/*"``, ``on_keys("config/*")``, or a function of the
    ``Request``. Requests of the JSON gateway are those of gRPC that they stand for; others of HTTP
    are called ``"GET /health"``. Of a stream each message is a request. ``times`` is how many
    requests it happens to; None for all of them.

    Args:
        call: Does something to the server.

    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def delay(self, method: Method, seconds: float, *, times: int | None = None) -> Fault:
        """Let requests wait so many seconds of the server's clock before they are applied."""
        return self._begin("delay", method=method, seconds=seconds, times=times)

    def fail(
        self,
        method: Method,
        code: str = "UNAVAILABLE",
        message: str | None = None,
        *,
        times: int | None = None,
    ) -> Fault:
        """
        Refuse requests with a gRPC code; they are not applied.

        Raises:
            ValueError: There is no such code.

        """
        return self._begin("fail", method=method, code=code, message=message, times=times)

    def drop(self, method: Method, *, times: int | None = None, disconnect: bool = True) -> Fault:
        """
        Apply requests and lose their answers, with the connection that they came by.

        With ``disconnect=False`` the connection stays, and the client waits as long as it likes.
        """
        return self._begin("drop", method=method, times=times, disconnect=disconnect)

    def reset_connections(self) -> Fault:
        """Break all connections with a RST. They may come back."""
        return self._begin("reset_connections")

    def goaway(self) -> Fault:
        """Ask all clients to go elsewhere, as a server does that is about to stop."""
        return self._begin("goaway")

    def refuse_connections(self) -> Fault:
        """Refuse new connections; those that there are stay."""
        return self._begin("refuse_connections")

    def blackhole(self) -> Fault:
        """
        Let packets vanish: connections stay, and nothing comes through, nor do new ones answer.

        Afterwards all that was sent arrives, as it does when packets are sent again.
        """
        return self._begin("blackhole")

    def slow_disk(self, seconds: float) -> Fault:
        """Let each write to the disk take so many seconds more, for real."""
        return self._begin("slow_disk", seconds=seconds)

    def full_disk(self) -> Fault:
        """
        Let the disk be full: the NOSPACE alarm is on, and comes again for whoever switches it off.

        (etcd itself ends when it cannot write its log; ``crash`` is that.)
        """
        return self._begin("full_disk")

    def no_leader(self) -> Fault:
        """
        Let there be no leader, as in a member of a cluster without a majority.

        Who asks for one (``hasleader``) gets "etcdserver: no leader" at once, on streams as well;
        other requests time out after etcd's seven seconds of the server's clock. Serializable
        reads, Status and watches go on.
        """
        return self._begin("no_leader")

    def cancel_watches(self, prefix: str | bytes = b"", *, compact: bool = False) -> Fault:
        """End the watches of keys that begin so; with ``compact`` as if history was compacted."""
        return self._begin("cancel_watches", prefix=prefix, compact=compact)

    def expire_token(self) -> Fault:
        """Let every token that was given so far be invalid."""
        return self._begin("expire_token")

    def raise_alarm(self, alarm: str = "NOSPACE") -> Fault:
        """Raise an alarm, ``NOSPACE`` or ``CORRUPT``."""
        return self._begin("raise_alarm", alarm=alarm)

    def crash(self) -> Fault:
        """Be down, as after ``kill -9``; it is started again when this ends."""
        return self._begin("crash")

    def restart(self) -> None:
        """Stop and start it again; the same as ``etcd.restart()``."""
        self._call("restart")

    def clear(self) -> None:
        """End all faults."""
        self._call("end_faults")

    def _begin(self, kind: str, **arguments: Any) -> Fault:
        return Fault(self._call, self._call("begin_fault", kind=kind, **arguments))
