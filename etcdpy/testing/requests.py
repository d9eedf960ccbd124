"""What a test's server was asked: the newest requests, for the test to look at."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, overload

from google.protobuf.message import Message

__all__ = [
    "Method",
    "OnKeys",
    "Request",
    "Requests",
    "Where",
    "keys_of",
    "matches",
    "on_keys",
    "short_name",
]

#: Requests that are kept; what is older is forgotten, but still counted.
MOST: Final = 10_000
#: Bytes of messages that are kept.
MOST_BYTES: Final = 64 << 20

#: The characters of a message that a line about a request has room for.
_LINE: Final = 200


@dataclass(eq=False)
class Request:
    """
    One request; of a stream, one message of it.

    Attributes:
        time: When it came, by the server's clock, in seconds since 1970.
        method: ``"KV/Put"``; of what is not gRPC nor its gateway ``"GET /health"``.
        message: The protobuf message; of HTTP the ``HttpRequest``.
        peer: Who sent it, as gRPC writes it: ``"ipv4:127.0.0.1:40000"``.
        user: Who that is, None if nobody has logged in.
        status: ``"OK"``, another name of a gRPC code, or a number of HTTP's; None until it is
            answered, which it never is if its answer was dropped.
        details: The words that went with the status.
        over: ``"grpc"`` or ``"http"``.

    """

    time: float
    method: str
    message: Any
    peer: str
    user: str | None = None
    status: str | None = None
    details: str = ""
    over: str = "grpc"

    @property
    def keys(self) -> list[tuple[bytes, bytes]]:
        """The keys that it names, each with the end of its range, ``b""`` for a single key."""
        return keys_of(self.message)

    def __str__(self) -> str:
        """Return a line about it."""
        text = " ".join(str(self.message).split()) if isinstance(self.message, Message) else ""
        if len(text) > _LINE:
            text = text[:_LINE] + "..."
        status = "(no answer)" if self.status is None else self.status
        return " ".join(part for part in (self.method, text, "->", status, self.details) if part)


#: Which requests: ``"KV/Put"``, ``"KV/*"``, or whatever a function says.
Method = str | Callable[[Request], bool]
#: A function of the message.
Where = Callable[[Any], bool]


def short_name(path: str) -> str:
    """
    Return how a method is called here.

    >>> short_name("/etcdserverpb.KV/Put")
    'KV/Put'
    """
    service, _, method = path[1:].rpartition("/")
    return f"{service.rpartition('.')[2]}/{method}"


def matches(method: Method, request: Request) -> bool:
    """Tell whether a request is one of those that ``method`` means."""
    if callable(method):
        return bool(method(request))
    return fnmatchcase(request.method, method)


@dataclass(frozen=True)
class OnKeys:
    """
    Tells requests that name one of some keys; see ``on_keys``.

    Attributes:
        patterns: The keys.
        method: Of which method.

    """

    patterns: tuple[str, ...]
    method: str = "*"

    def __call__(self, request: Request) -> bool:
        """Tell whether a request names one."""
        return fnmatchcase(request.method, self.method) and any(
            fnmatchcase(key.decode("utf-8", "surrogateescape"), pattern)
            for key, _ in request.keys
            for pattern in self.patterns
        )


def on_keys(*patterns: str, method: str = "*") -> OnKeys:
    """
    Return what tells requests that name one of some keys; ``*`` stands for anything.

    Args:
        patterns: The keys, as text.
        method: Those of this method only.

    >>> from etcdpy.pb.rpc_pb2 import PutRequest
    >>> put = Request(0.0, "KV/Put", PutRequest(key=b"config/a"), "ipv4:127.0.0.1:1")
    >>> on_keys("config/*")(put), on_keys("config/*", method="KV/Range")(put)
    (True, False)
    """
    return OnKeys(patterns, method)


class Requests(Sequence[Request]):
    """
    The newest requests, the newest last. Any thread may look at them.

    A request is here as soon as it has arrived. Whoever has got the answer to one sees it here.
    """

    def __init__(self, most: int = MOST) -> None:
        self._changed = threading.Condition()
        self._most = most
        self._kept: deque[Request] = deque()
        self._bytes = 0
        # Of those that are not kept any more, by method.
        self._forgotten: Counter[str] = Counter()

    # ------------------------------------------------------------- what the test asks

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        """Return one, or some."""
        return self._list()[index]

    def __iter__(self) -> Iterator[Request]:
        """Iterate over those that there are now."""
        return iter(self._list())

    def all(self, method: Method = "*", where: Where | None = None) -> list[Request]:
        """
        Return the requests of a method.

        Args:
            method: ``"KV/Put"``, ``"KV/*"``, or a function of a ``Request``.
            where: Those only whose message is as this function wants it.

        """
        return [
            request
            for request in self._list()
            if matches(method, request) and (where is None or where(request.message))
        ]

    def count(self, method: Method = "*", where: Where | None = None) -> int:
        """
        Return how many requests of a method there were.

        Where the method is text and nothing is asked of the message, those that are not kept any
        more count as well.
        """
        kept = len(self.all(method, where))
        if where is not None or not isinstance(method, str):
            return kept
        with self._changed:
            older = self._forgotten.items()
            return kept + sum(number for name, number in older if fnmatchcase(name, method))

    def last(self, method: Method = "*", where: Where | None = None) -> Request | None:
        """Return the newest request of a method, None if there was none."""
        found = self.all(method, where)
        return found[-1] if found else None

    def wait_for(
        self,
        method: Method,
        where: Where | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
    ) -> Request:
        """
        Wait until so many requests of a method have come, and return the last of these.

        Blocks the thread: see ``wait_for_async``.

        Raises:
            TimeoutError: There were fewer after so many seconds; it says which came instead.

        """
        found: list[Request] = []

        def are_there() -> bool:
            found[:] = self.all(method, where)
            return len(found) >= count

        with self._changed:
            if self._changed.wait_for(are_there, timeout):
                return found[count - 1]
        raise self._too_few(method, where, count, timeout)

    def _too_few(
        self, method: Method, where: Where | None, count: int, timeout: float
    ) -> TimeoutError:
        found = self.all(method, where)
        others = "".join(f"\n  {request}" for request in self._list()[-20:]) or " nothing"
        return TimeoutError(
            f"{len(found)} requests of {method} instead of {count} in {timeout} s; "
            f"there was{others}"
        )

    async def wait_for_async(
        self,
        method: Method,
        where: Where | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
    ) -> Request:
        """Wait as ``wait_for`` does, while the loop goes on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            None, lambda: self.wait_for(method, where, count=count, timeout=timeout)
        )

    def clear(self) -> None:
        """Forget all of them."""
        with self._changed:
            self._kept.clear()
            self._bytes = 0
            self._forgotten.clear()

    # ------------------------------------------------------------- what the server does

    def note(self, request: Request) -> None:
        """Add a request that has arrived."""
        with self._changed:
            self._kept.append(request)
            self._bytes += _size_of(request)
            # The newest is kept, whatever its size.
            while len(self._kept) > self._most or self._is_too_much():
                oldest = self._kept.popleft()
                self._bytes -= _size_of(oldest)
                self._forgotten[oldest.method] += 1
            self._changed.notify_all()

    def _is_too_much(self) -> bool:
        return self._bytes > MOST_BYTES and len(self._kept) > 1

    def _list(self) -> list[Request]:
        with self._changed:
            return list(self._kept)


def _size_of(request: Request) -> int:
    return request.message.ByteSize() if isinstance(request.message, Message) else 0


def keys_of(message: Any) -> list[tuple[bytes, bytes]]:
    """Return the keys that a message names, each with the end of its range."""
    if not isinstance(message, Message):
        return []
    found: list[tuple[bytes, bytes]] = []
    fields = message.DESCRIPTOR.fields_by_name
    if "key" in fields and fields["key"].type == fields["key"].TYPE_BYTES:
        found.append((message.key, getattr(message, "range_end", b"")))  # type: ignore[attr-defined]
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            values: Iterable[Any] = [value] if isinstance(value, Message) else value
            found += [key for inner in values for key in keys_of(inner)]
    return found
