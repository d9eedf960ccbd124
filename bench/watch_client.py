"""
Watch streams for benchmarks: raw frames in, whose messages are counted and not decoded.

One connection carries many streams, one stream many watches. A DATA frame has a small
response, or several of them, and never a part of one.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Sequence

from bench.clients import Clients
from bench.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    SETTINGS,
    WINDOW_UPDATE,
    Address,
    Connection,
    LoadError,
    frame,
    methods,
)
from etcdpy.pb import rpc_pb2

WATCH = "/etcdserverpb.Watch/Watch"
READ_SIZE = 1 << 18
#: The setting, RFC 9113 6.5.2.
INITIAL_WINDOW_SIZE = 4
#: Whether it is compressed, and the length.
MESSAGE_PREFIX = struct.Struct(">BI")
#: Creates sent in one write; the replies to them are read before more are.
CREATES_PER_WRITE = 200


class WatchConnection(Connection):
    """
    A connection whose streams are all Watch calls.

    Attributes:
        responses: How many there were so far, on all streams.
        of_stream: How many there were on each.

    """

    def __init__(self, address: Address, authority: str) -> None:
        super().__init__(address)
        self.responses = 0
        self.of_stream: dict[int, int] = {}
        self._partial = bytearray()
        (method,) = methods(authority, WATCH)
        self._block = method.first
        self._repeat = method.repeat

    def open_stream(self) -> int:
        """Begin a Watch call; return its stream."""
        number = self.next_stream_id
        self.next_stream_id += 2
        self.socket.sendall(frame(HEADERS, END_HEADERS, number, self._block))
        self._block = self._repeat
        self.of_stream[number] = 0
        return number

    def create(self, stream: int, requests: Sequence[rpc_pb2.WatchCreateRequest]) -> None:
        """Create watches and wait until all are confirmed."""
        for first in range(0, len(requests), CREATES_PER_WRITE):
            some = requests[first : first + CREATES_PER_WRITE]
            messages = [rpc_pb2.WatchRequest(create_request=it).SerializeToString() for it in some]
            goal = self.responses + len(some)
            self.socket.sendall(
                b"".join(
                    frame(DATA, 0, stream, b"\0" + len(message).to_bytes(4, "big") + message)
                    for message in messages
                )
            )
            while self.responses < goal:
                self.read()

    def read(self) -> int:
        """Read once; return how many responses that completed."""
        of_stream, total = self.of_stream, 0
        for kind, flags, stream, start, end in self.frames(READ_SIZE):
            if kind == DATA:
                count = messages_in(self.buffer, start, end)
                of_stream[stream] += count
                total += count
            elif flags & END_STREAM:
                raise LoadError("a watch ended")
        self.responses += total
        return total

    def limit_window(self, size: int) -> None:
        """Let the server send no more than this on a stream, unless ``read_messages`` reads it."""
        setting = struct.pack(">HI", INITIAL_WINDOW_SIZE, size)
        self.socket.sendall(frame(SETTINGS, 0, 0, setting))

    def read_messages(self, stream: int) -> Iterator[bytes]:
        """Read once; yield the messages that completes. ``stream`` is the only one there is."""
        partial = self._partial
        before = len(partial)
        for kind, flags, _, start, end in self.frames(READ_SIZE):
            if kind == DATA:
                partial += memoryview(self.buffer)[start:end]
            elif flags & END_STREAM:
                raise LoadError("a watch ended")
        if size := len(partial) - before:
            grant = frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))
            self.socket.sendall(grant)
        position = 0
        while len(partial) - position >= 5:
            end = position + 5 + int.from_bytes(partial[position + 1 : position + 5], "big")
            if end > len(partial):
                break
            yield bytes(memoryview(partial)[position + 5 : end])
            position = end
        del partial[:position]


def messages_in(data: bytes, start: int, end: int) -> int:
    """
    Count the messages of a DATA frame.

    Raises:
        LoadError: The last one goes on in the next frame.

    """
    count = 0
    while start < end:
        start += MESSAGE_PREFIX.unpack_from(data, start)[1] + MESSAGE_PREFIX.size
        count += 1
    if start > end:
        raise LoadError("a response is larger than a frame")
    return count


class Watches(Clients[WatchConnection]):
    """
    Many watches, evenly over connections and streams.

    Args:
        creates: What each stream creates.
        connections: Over how many connections the streams are spread.

    """

    def __init__(
        self,
        address: Address,
        authority: str,
        creates: Iterable[Sequence[rpc_pb2.WatchCreateRequest]],
        connections: int,
    ) -> None:
        super().__init__()
        try:
            everyone = [self.add(WatchConnection(address, authority)) for _ in range(connections)]
            for number, requests in enumerate(creates):
                chosen = everyone[number % connections]
                chosen.create(chosen.open_stream(), requests)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout: float) -> int:
        """Read what there is, waiting for it if need be; return how many responses came."""
        return sum(self.connections[number].read() for number, _ in self.poll(timeout))

    def fewest(self) -> int:
        """Return how many responses came on the stream on which the fewest did."""
        return min(min(one.of_stream.values()) for one in self.connections.values())

    def wait_for(self, count: int, patience: float = 30.0) -> None:
        """
        Read until ``count`` responses have come.

        Raises:
            LoadError: They did not.

        """
        deadline = time.perf_counter() + patience
        while count > 0:
            if time.perf_counter() > deadline:
                raise LoadError(f"{count} events are missing")
            count -= self.wait(1.0)


def key_watch(key: bytes) -> rpc_pb2.WatchCreateRequest:
    return rpc_pb2.WatchCreateRequest(key=key)
