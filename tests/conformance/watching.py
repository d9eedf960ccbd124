"""Watch streams to both servers at once, whose responses must be the same, byte by byte."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import grpc

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.differences import Version
from tests.conformance.messages import EVERYTHING, delete, put, txn
from tests.conformance.pair import Pair, short
from tests.conformance.peers import WATCH, Peer

# Longer than anything a server may take: etcd reads history every 100 ms.
TIMEOUT = 60.0

# What no test watches, unless it watches everything.
BARRIER = b"\xff\xffbarrier"
BARRIER_ID = 1 << 40

_KINDS = ("PUT", "DELETE")


def create(key: bytes, end: bytes = b"", **options: Any) -> pb.WatchRequest:
    request = pb.WatchCreateRequest(key=key, range_end=end, **options)
    return pb.WatchRequest(create_request=request)


def cancel(watch_id: int) -> pb.WatchRequest:
    return pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=watch_id))


def progress() -> pb.WatchRequest:
    return pb.WatchRequest(progress_request=pb.WatchProgressRequest())


class Stream:
    """A Watch call to one server: send requests, take responses, both as they are encoded."""

    def __init__(self, peer: Peer, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._responses: SimpleQueue[bytes | grpc.StatusCode] = SimpleQueue()
        self._call = peer.stream(WATCH, self._iterate(), metadata=metadata)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, request: pb.WatchRequest) -> None:
        self._requests.put(request.SerializeToString())

    def half_close(self) -> None:
        self._requests.put(None)

    def take(self, timeout: float = TIMEOUT) -> bytes:
        """Return the next response.

        Raises:
            TimeoutError: If there is none.
        """
        try:
            response = self._responses.get(timeout=timeout)
        except Empty:
            raise TimeoutError("no response") from None
        assert isinstance(response, bytes), f"the stream ended: {response}"
        return response

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()
        self._reader.join()

    def _iterate(self) -> Iterator[bytes]:
        return iter(self._requests.get, None)

    def _read(self) -> None:
        try:
            for response in self._call:
                self._responses.put(response)
        except grpc.RpcError:
            pass  # the status tells
        self._responses.put(self._call.code())


class Watch:
    """The same Watch stream to both servers."""

    def __init__(self, pair: Pair, metadata: Sequence[tuple[str, str]] = ()) -> None:
        self._pair = pair
        self._subject, self._reference = (Stream(peer, metadata) for peer in pair.peers)

    def send(self, *requests: pb.WatchRequest) -> None:
        for request in requests:
            self._subject.send(request)
            self._reference.send(request)

    def receive(self, since: Version = ()) -> pb.WatchResponse:
        """Return the next response, which both servers gave alike.

        An etcd of a version before ``since`` does not give it.
        """
        got = self._subject.take()
        if self._pair.version >= since:
            expected = self._reference.take()
            if got != expected:
                raise AssertionError(f"\netcd:\n{_shown(expected)}\nthe subject:\n{_shown(got)}")
        return pb.WatchResponse.FromString(got)

    def receive_unordered(self, count: int) -> list[pb.WatchResponse]:
        """Return responses that both servers gave, in an order of each one's own."""
        got = sorted(self._subject.take() for _ in range(count))
        assert got == sorted(self._reference.take() for _ in range(count))
        return [pb.WatchResponse.FromString(response) for response in got]

    def ask(self, request: pb.WatchRequest) -> pb.WatchResponse:
        """Send a request and return its reply."""
        self.send(request)
        return self.receive()

    def create(self, key: bytes, end: bytes = b"", **options: Any) -> int:
        """Create a watcher; return its id."""
        reply = self.ask(create(key, end, **options))
        assert reply.created
        assert not reply.canceled, reply.cancel_reason
        return reply.watch_id

    def skip_older(self, before: Version) -> pb.WatchResponse | None:
        """Take a response that only an etcd of a version below ``before`` gives."""
        if self._pair.version >= before:
            return None
        return pb.WatchResponse.FromString(self._reference.take())

    def is_silent(self) -> bool:
        """Whether nothing came of what was sent so far; writes a key.

        Responses leave in order: what comes up to an event that is made now is all there was.
        """
        self.send(create(BARRIER, watch_id=BARRIER_ID))
        first = self.receive()
        if first.watch_id != BARRIER_ID or not first.created:
            return False
        self._pair.send(put(BARRIER))
        second = self.receive()
        third = self.ask(cancel(BARRIER_ID))
        return (len(second.events), third.canceled) == (1, True)

    def half_close(self) -> None:
        self._subject.half_close()
        self._reference.half_close()

    def close(self) -> None:
        self._subject.close()
        self._reference.close()


def _shown(response: bytes) -> str:
    return short(pb.WatchResponse.FromString(response))


class Watched:
    """The store every scenario starts from: a=1 (revision 2), b=2 (3), a=3 (4), nothing else.

    Servers are used again, so a scenario names revision 2 of a new store ``rev(2)``.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        pair.send(txn(put(b"gone")))
        self._offset: int = pair.send(delete(*EVERYTHING)).reply.header.revision - 1
        for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3")):
            pair.send(put(key, value))
        #: The stream is not older than that.
        self.opened = time.monotonic()
        self.watch = Watch(pair)

    def rev(self, number: int) -> int:
        """Return the revision here that is ``number`` on a store that was new."""
        return self._offset + number

    def write(self, request: Any) -> int:
        """Send a write to both; return its revision, relative as in ``rev``."""
        revision: int = self.pair.send(request).reply.header.revision
        return revision - self._offset

    def number(self, response: pb.WatchResponse) -> int:
        """Return the revision in a response's header, relative as in ``rev``."""
        return response.header.revision - self._offset

    def changes(self, response: pb.WatchResponse) -> list[tuple[str, bytes, int]]:
        """Return a response's events as (kind, key, relative revision)."""
        return [
            (
                _KINDS[event.type],
                event.kv.key,
                event.kv.mod_revision - self._offset,
            )
            for event in response.events
        ]
