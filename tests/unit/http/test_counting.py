"""Calls of the gateway, as they are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from weakref import ref

import pytest

from etcdpy.cooperative import DeferredReply
from etcdpy.errors import EmptyKeyError
from etcdpy.http.counting import CallCount
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import MovableClock
from etcdpy.transport import CallCounts, EndedCall, MethodCounts, Observer, StatusCode, StatusError
from etcdpy.transport.http import Body, HttpRequest
from tests.unit.node.nodes import ANYBODY

REPLY = pb.PutResponse(header=pb.ResponseHeader(revision=7))


class Counted:
    """A method, and calls of it."""

    def __init__(
        self, *, streams: bool = False, is_timed: bool = False, slower_than: float = 0.0
    ) -> None:
        self.heard: list[EndedCall] = []
        self.clock = MovableClock()
        self.observer = Observer()
        self.observer.listen(self.heard.append, slower_than=slower_than)
        counts = CallCounts(is_timed=is_timed)
        self.method: MethodCounts = counts.of(
            "/etcdserverpb.KV/Put", request_streaming=streams, response_streaming=streams
        )

    def call(self, *headers: tuple[bytes, bytes]) -> CallCount:
        request = HttpRequest("POST", "/v3/kv/put", "", headers, Body(), "")
        return CallCount(self.method, request, self.clock, self.observer)

    @property
    def handled(self) -> dict[int, int]:
        """How many calls ended with a code, by its number."""
        return {code: number for code, number in enumerate(self.method.handled) if number}

    @property
    def sums(self) -> tuple[int, int, int, int, int]:
        """Calls begun, requests and their bytes, replies and theirs."""
        tallies = self.method.by_version.values()
        return (
            self.method.started,
            self.method.read,
            sum(tally.received for tally in tallies),
            self.method.written,
            sum(tally.sent for tally in tallies),
        )


def code(status: StatusCode) -> int:
    return status.value


def returning(reply: Any) -> Callable[..., Any]:
    return lambda request, caller: reply


def raising(error: BaseException) -> Callable[..., Any]:
    def behave(request: object, caller: object) -> object:
        raise error

    return behave


class TestUnary:
    async def test_call_that_goes_well(self) -> None:
        counted = Counted()
        call = counted.call()
        call.take(6)
        assert await call.unary(returning(REPLY), None, ANYBODY) is REPLY
        assert counted.sums == (1, 1, 6, 1, REPLY.ByteSize())
        assert counted.handled == {0: 1}

    @pytest.mark.parametrize("reply", [b"1234", bytearray(b"1234")])
    async def test_replies_may_be_bytes(self, reply: bytes) -> None:
        counted = Counted()
        await counted.call().unary(returning(reply), None, ANYBODY)
        assert counted.sums == (1, 1, 0, 1, 4)

    async def test_reply_that_waits_counts_once_it_is_there(self) -> None:
        counted = Counted()
        ready = asyncio.get_running_loop().create_future()
        deferred = returning(DeferredReply(REPLY, ready))
        calling = asyncio.ensure_future(counted.call().unary(deferred, None, ANYBODY))
        await asyncio.sleep(0)
        assert (counted.sums[0], counted.handled) == (1, {})
        ready.set_result(None)
        assert await calling is REPLY
        assert counted.handled == {0: 1}

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (EmptyKeyError(), StatusCode.INVALID_ARGUMENT),
            (StatusError(StatusCode.NOT_FOUND, ""), StatusCode.NOT_FOUND),
            (ValueError(), StatusCode.UNKNOWN),
            (asyncio.CancelledError(), StatusCode.CANCELLED),
            (StatusError(StatusCode.DEADLINE_EXCEEDED, ""), StatusCode.CANCELLED),
        ],
    )
    async def test_failure_counts_with_its_code(
        self, error: BaseException, status: StatusCode
    ) -> None:
        counted = Counted()
        with pytest.raises(type(error)):
            await counted.call().unary(raising(error), None, ANYBODY)
        assert counted.handled == {code(status): 1}
        assert counted.sums == (1, 1, 0, 1, 0), "a failure is a message, as in etcd"

    async def test_what_is_never_called_does_not_count(self) -> None:
        counted = Counted()
        counted.call().take(100)
        assert counted.sums == (0, 0, 0, 0, 0)

    async def test_version_is_what_a_header_tells(self) -> None:
        counted = Counted()
        told = (b"grpc-metadata-client-api-version", b"3.9")
        await counted.call((b"accept", b"x"), told).unary(returning(REPLY), None, ANYBODY)
        await counted.call().unary(returning(REPLY), None, ANYBODY)
        assert list(counted.method.by_version) == ["3.9", "unknown"]

    async def test_whoever_wants_to_know_is_told_how_long_it_took(self) -> None:
        counted = Counted()

        async def slowly(request: object, caller: object) -> object:
            await counted.clock.advance(3)
            return REPLY

        await counted.call().unary(slowly, b"asked", ANYBODY)
        with pytest.raises(EmptyKeyError):
            await counted.call().unary(raising(EmptyKeyError()), b"", ANYBODY)
        path, peer = "/etcdserverpb.KV/Put", ANYBODY.peer()
        invalid = code(StatusCode.INVALID_ARGUMENT)
        assert counted.heard == [
            EndedCall(path, peer, b"asked", REPLY, 3.0, 0),
            EndedCall(path, peer, b"", None, 0.0, invalid),
        ]

    async def test_those_who_want_to_hear_of_slow_ones_hear_of_no_others(self) -> None:
        counted = Counted(slower_than=0.3)
        await counted.call().unary(returning(REPLY), None, ANYBODY)
        assert counted.heard == []


class TestStreams:
    async def test_requests_and_replies_count_as_they_come(self) -> None:
        counted = Counted(streams=True)
        call = counted.call()

        async def two() -> AsyncGenerator[Any, None]:
            for size in (2, 3):
                call.take(size)
                yield REPLY

        async for _ in call.stream(two()):
            pass
        # The end of the requests is read like one.
        assert counted.sums == (1, 3, 5, 2, 2 * REPLY.ByteSize())
        assert counted.handled == {0: 1}

    async def test_request_before_the_call_counts_with_it(self) -> None:
        counted = Counted(streams=True)
        call = counted.call()
        call.take(4)
        assert counted.sums[2] == 0

        async def none() -> AsyncGenerator[Any, None]:
            return
            yield

        async for _ in call.stream(none()):
            pass
        assert counted.sums[2] == 4

    async def test_failure_counts_with_its_code(self) -> None:
        counted = Counted(streams=True)

        async def fail() -> AsyncGenerator[Any, None]:
            yield REPLY
            raise EmptyKeyError

        with pytest.raises(EmptyKeyError):
            async for _ in counted.call().stream(fail()):
                pass
        assert counted.handled == {code(StatusCode.INVALID_ARGUMENT): 1}

    async def test_client_that_leaves_has_cancelled_and_nothing_goes_on(self) -> None:
        counted = Counted(streams=True)
        ended = []

        async def endless() -> AsyncGenerator[Any, None]:
            try:
                while True:
                    yield REPLY
            finally:
                ended.append(True)

        replies: Any = counted.call().stream(endless())
        await anext(replies)
        assert counted.handled == {}
        await replies.aclose()
        assert counted.handled == {code(StatusCode.CANCELLED): 1}
        assert ended == [True]

    async def test_time_is_measured_where_that_is_wanted(self) -> None:
        counted = Counted(streams=True, is_timed=True)

        async def slowly() -> AsyncGenerator[Any, None]:
            await counted.clock.advance(2)
            yield REPLY

        async for _ in counted.call().stream(slowly()):
            await counted.clock.advance(1)
        assert counted.method.handling is not None
        assert counted.method.handling.total == 3


async def test_whoever_has_taken_a_reply_of_a_stream_holds_it_alone() -> None:
    class Replies:
        def __init__(self) -> None:
            self.made: list[ref[Any]] = []

        async def __call__(self) -> AsyncGenerator[Any, None]:
            for _ in range(2):
                reply = Payload()
                self.made.append(ref(reply))
                holder = [reply]
                del reply
                yield holder.pop()

    replies = Replies()
    stream = Counted(streams=True).call().stream(replies())
    await anext(stream)
    assert replies.made[0]() is None
    await stream.aclose()  # type: ignore[attr-defined]


class Payload:
    """Bytes of which it can be seen whether anybody has them."""

    def __len__(self) -> int:
        return 5
