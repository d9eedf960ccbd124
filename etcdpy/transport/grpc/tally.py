"""
How many calls there were of each method, what they carried, and how they ended.

A call counts where it passes anyway: its headers name a :class:`Tally`, one for each method and
version of its clients, so that counting is adding to an attribute. Sums are made by whoever wants
figures. What never reached a handler is not counted. (go-grpc-middleware: server_metrics.go)

A unary call that ended with success is not counted at its end: its response was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from etcdpy.counters import Histogram
from etcdpy.transport.grpc.metadata import Metadatum
from etcdpy.transport.grpc.status import OK

UNARY: Final = "unary"
UNKNOWN_VERSION: Final = "unknown"
"""Of a client that does not tell its version, or one of more versions than are told apart."""

#: Versions of clients that are told apart: each is a client's choice, and is kept.
MAX_VERSIONS: Final = 32

#: The bounds of Prometheus' own histograms, in seconds.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Codes of gRPC: 0 to 16.
CODES: Final = 17

_KINDS: Final = {
    (False, False): UNARY,
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}


class Tally:
    """
    The calls of one method by clients of one version.

    Attributes:
        method: Whose calls these are.
        started: Calls that reached the handler.
        read: Requests of streams of them; a unary call has one each.
        received: Bytes of requests.
        written: Responses.
        sent: Bytes of responses, as they were sent.

    """

    __slots__ = ("method", "read", "received", "sent", "started", "written")

    def __init__(self, method: MethodCounts) -> None:
        self.method = method
        self.started = self.read = self.received = self.written = self.sent = 0


class MethodCounts:
    """
    The calls of one method.

    Attributes:
        service: The name of its service.
        name: Its own.
        kind: Which of both sides are streams, in Prometheus' words for gRPC.
        by_version: Its tallies, by what clients call their version.
        ended: How many calls ended with each code; of unary ones those that failed.
        handling: Seconds from the arrival of calls to their end, if that is measured.

    """

    __slots__ = ("by_version", "ended", "handling", "kind", "name", "service")

    def __init__(self, path: str, kind: str = UNARY) -> None:
        service, _, self.name = path[1:].rpartition("/")
        self.service = service
        self.kind = kind
        self.by_version: dict[str, Tally] = {}
        self.ended = [0] * CODES
        self.handling: Histogram | None = None

    def of(self, metadata: Iterable[Metadatum]) -> Tally:
        """Return what the calls with that metadata count on."""
        # (etcd: v3rpc/interceptor.go, newUnaryInterceptor: the first value)
        version = next((v for k, v in metadata if k == "client-api-version"), UNKNOWN_VERSION)
        return self.of_version(version if isinstance(version, str) else UNKNOWN_VERSION)

    def of_version(self, version: str = UNKNOWN_VERSION) -> Tally:
        """Return what the calls of clients of that version count on."""
        if version not in self.by_version:
            if len(self.by_version) >= MAX_VERSIONS:
                version = UNKNOWN_VERSION
            self.by_version.setdefault(version, Tally(self))
        return self.by_version[version]

    @property
    def started(self) -> int:
        """Calls that reached the handler."""
        return sum(tally.started for tally in self.by_version.values())

    @property
    def handled(self) -> list[int]:
        """How many calls ended with each code."""
        handled = self.ended.copy()
        if self.kind == UNARY:
            handled[OK] += sum(tally.written for tally in self.by_version.values())
        return handled

    @property
    def read(self) -> int:
        """Requests, and the end of each stream of them, which is read like one."""
        if self.kind == UNARY:
            return self.started
        tallies = self.by_version.values()
        if self.kind == "server_stream":
            return sum(tally.started for tally in tallies)
        return sum(tally.read for tally in tallies) + sum(self.ended)

    @property
    def written(self) -> int:
        """Responses; a unary call that fails counts as one. (go-grpc-middleware: reporter.go)"""
        written = sum(tally.written for tally in self.by_version.values())
        return written + sum(self.ended) if self.kind == UNARY else written

    def count_end(self, code: int, seconds: float) -> None:
        """Note that a stream has ended."""
        self.ended[code] += 1
        if self.handling is not None:
            self.handling.observe(seconds)


class CallCounts:
    """
    The calls of a server.

    Args:
        is_timed: Whether it is measured how long they take.

    Attributes:
        methods: Those that are served, by their paths.

    """

    def __init__(self, *, is_timed: bool = False) -> None:
        self.methods: dict[str, MethodCounts] = {}
        self.is_timed = is_timed

    def of(self, path: str, *, request_streaming: bool, response_streaming: bool) -> MethodCounts:
        """Return the counts of a method, which is served from now on."""
        if path not in self.methods:
            counts = MethodCounts(path, _KINDS[request_streaming, response_streaming])
            counts.handling = Histogram(BOUNDS) if self.is_timed else None
            self.methods[path] = counts
        return self.methods[path]

    def count_time(self, path: str, seconds: float) -> None:
        """Note how long a unary call took."""
        counts = self.methods.get(path)
        if counts is not None and counts.handling is not None:
            counts.handling.observe(seconds)


#: What calls count on that are of no method.
UNCOUNTED: Final = Tally(MethodCounts("/none/none"))
