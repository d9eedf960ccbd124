"""The Watch service: what requests become, and how refusals are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.watch import REQUESTS_PER_TURN, WatchService
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.timed_node import TimedNode, opened


class Call:
    """A call of a transport that writes whatever it is given, in one part."""

    def __init__(self) -> None:
        self.responses: list[pb.WatchResponse] = []

    async def write(self, message: bytes) -> None:
        self.responses.append(pb.WatchResponse.FromString(message))


class Stream:
    """The requests of a client, and the call that serves them."""

    def __init__(self, timed: TimedNode) -> None:
        self._requests: asyncio.Queue[pb.WatchRequest | None] = asyncio.Queue()
        self.call = Call()
        service = WatchService(timed.node)
        self.serving = asyncio.ensure_future(service.Watch(self._arriving(), self.call))

    async def _arriving(self) -> AsyncIterator[pb.WatchRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, **request: Any) -> None:
        self._requests.put_nowait(pb.WatchRequest(**request))

    def half_close(self) -> None:
        self._requests.put_nowait(None)

    def take(self) -> list[pb.WatchResponse]:
        taken, self.call.responses = self.call.responses, []
        return taken


async def test_requests_are_what_they_say_and_empty_ones_nothing() -> None:
    async with opened() as timed:
        stream = Stream(timed)
        stream.send(create_request=pb.WatchCreateRequest(key=b"a"))
        stream.send()
        stream.send(progress_request=pb.WatchProgressRequest())
        stream.send(cancel_request=pb.WatchCancelRequest(watch_id=0))
        await timed.settle()
        created, progress, canceled = stream.take()
        assert (created.created, progress.watch_id, canceled.canceled) == (True, -1, True)
        stream.serving.cancel()


async def test_watch_that_is_refused_is_told_why_and_the_stream_goes_on() -> None:
    async with opened() as timed:
        stream = Stream(timed)
        for _ in range(2):
            stream.send(create_request=pb.WatchCreateRequest(key=b"a", watch_id=7))
        stream.send(create_request=pb.WatchCreateRequest(key=b"b", range_end=b"a"))
        stream.send(create_request=pb.WatchCreateRequest(key=b"b", start_revision=-1))
        await timed.settle()
        created, *refused = stream.take()
        assert created.watch_id == 7
        assert [response.cancel_reason for response in refused] == [
            "mvcc: duplicate watch ID provided on the WatchStream",
            "mvcc: watcher range is empty",
            "etcdserver: mvcc: required revision has been compacted",
        ]
        assert all(response.canceled and response.watch_id == -1 for response in refused)
        stream.serving.cancel()


async def test_half_close_ends_no_watch() -> None:
    async with opened() as timed:
        stream = Stream(timed)
        stream.send(create_request=pb.WatchCreateRequest(key=b"a"))
        stream.half_close()
        await timed.settle()
        await timed.put(b"a")
        assert [len(response.events) for response in stream.take()] == [0, 1]
        stream.serving.cancel()
        await asyncio.gather(stream.serving, return_exceptions=True)
        assert timed.hub.is_unwatched


async def test_thousands_of_requests_let_others_have_their_turn() -> None:
    async with opened() as timed:
        stream = Stream(timed)
        for _ in range(3 * REQUESTS_PER_TURN):
            stream.send(cancel_request=pb.WatchCancelRequest(watch_id=1))
        stream.send(create_request=pb.WatchCreateRequest(key=b"a"))
        await turns(2)
        assert stream.take() == []
        await timed.settle()
        assert stream.take()[0].created
        stream.serving.cancel()
