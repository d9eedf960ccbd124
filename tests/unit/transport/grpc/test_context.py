"""What handlers may do, seen by grpcio's client, on both transports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from ..service import Service

Channel = Any  # a grpc.aio.Channel; its stubs cannot do without serializers


def unary(channel: Channel, method: str) -> Any:
    return channel.unary_unary(f"/test.Service/{method}")


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


class TestUnary:
    @pytest.mark.parametrize("method", ["Inline", "Task", "Yields"])
    @pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 300_000, 4 << 20])
    async def test_echoes(self, either: Channel, method: str, size: int) -> None:
        assert await unary(either, method)(bytes(size), timeout=60) == bytes(size)

    async def test_many_calls_at_once(self, either: Channel) -> None:
        calls = [unary(either, "Task")(b"%d" % n, timeout=60) for n in range(200)]
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(200)]

    async def test_calls_parked_on_one_future(self, either: Channel, service: Service) -> None:
        calls = [asyncio.ensure_future(unary(either, "Parked")(b"%d" % n)) for n in range(50)]
        await service.started.wait()
        service.release.set_result(b"!")
        assert await asyncio.gather(*calls) == [b"%d!" % n for n in range(50)]

    async def test_responses_held_back(self, either: Channel, service: Service) -> None:
        calls = [asyncio.ensure_future(unary(either, "Held")(b"%d" % n)) for n in range(50)]
        await service.started.wait()
        service.permission.set_result(None)
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(50)]

    async def test_error_of_what_a_response_waits_for(
        self, either: Channel, service: Service
    ) -> None:
        call = asyncio.ensure_future(unary(either, "Held")(b""))
        await service.started.wait()
        service.permission.set_exception(RuntimeError("disk"))
        assert "disk" in str((await failure(call)).details())

    async def test_error_of_the_awaited_future(self, either: Channel, service: Service) -> None:
        call = asyncio.ensure_future(unary(either, "Parked")(b""))
        await service.started.wait()
        service.release.set_exception(RuntimeError("disk"))
        assert "disk" in str((await failure(call)).details())


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "code"),
        [
            ("Fail", grpc.StatusCode.FAILED_PRECONDITION),
            ("Abort", grpc.StatusCode.NOT_FOUND),
            ("SetCode", grpc.StatusCode.OUT_OF_RANGE),
        ],
    )
    async def test_status_of_the_handlers_choice(
        self, either: Channel, method: str, code: grpc.StatusCode
    ) -> None:
        error = await failure(unary(either, method)("é 100%\n".encode()))
        assert (error.code(), error.details()) == (code, "é 100%\n")
        assert ("x-why", "because") in list(error.trailing_metadata())

    async def test_abort_stays_even_if_caught(self, either: Channel) -> None:
        error = await failure(unary(either, "AbortCaught")(b""))
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "stays")

    async def test_unexpected_exception(
        self, either: Channel, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.CRITICAL, "grpc"):
            error = await failure(unary(either, "Raise")(b"oops"))
        assert error.code() is grpc.StatusCode.UNKNOWN
        assert error.details() == "Unexpected <class 'ValueError'>: oops"

    async def test_unimplemented_by_a_generated_servicer(self, either: Channel) -> None:
        error = await failure(unary(either, "Unimplemented")(b""))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert error.details() == "Method not implemented!"

    async def test_after_a_message(self, either: Channel) -> None:
        call = either.unary_stream("/test.Service/FailLate")(b"")
        assert await call.read() == b"first"
        error = await failure(call.read())
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "after the first")

    async def test_unknown_method(self, either: Channel) -> None:
        error = await failure(unary(either, "Nope")(b""))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED

    async def test_message_too_large(self, either: Channel) -> None:
        error = await failure(unary(either, "Inline")(bytes((5 << 20) + 1)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class TestMetadata:
    async def test_both_ways(self, either: Channel, service: Service) -> None:
        sent = (("x-text", "a"), ("x-text", "b"), ("x-raw-bin", bytes(range(256))))
        call = unary(either, "Metadata")(b"x", metadata=sent)
        assert await call == b"x"
        assert [entry for entry in service.metadata if entry[0].startswith("x-")] == list(sent)
        first, last = await call.initial_metadata(), await call.trailing_metadata()
        assert (first["x-first"], first["x-first-bin"]) == ("1", b"\0\xff")
        assert (last["x-last"], last["x-last-bin"]) == ("2", b"\1\xfe")

    async def test_peer_and_deadline(self, either: Channel, service: Service) -> None:
        await unary(either, "Inspect")(b"")
        await unary(either, "Inspect")(b"", timeout=1000)
        assert all(peer.startswith("ipv4:127.0.0.1:") for peer in service.peers)
        none, remaining = service.remaining
        assert none is None
        assert remaining is not None
        assert 900 < remaining < 1100

    async def test_done_callback_after_success(self, either: Channel, service: Service) -> None:
        await unary(either, "Inspect")(b"")
        await asyncio.wait_for(service.called_back.wait(), 60)
        assert service.callbacks == [False]


class TestCompression:
    @pytest.mark.parametrize("size", [0, 10, 500_000])
    async def test_gzip_both_ways(self, either: Channel, size: int) -> None:
        call = unary(either, "Inline")(b"a" * size, compression=grpc.Compression.Gzip)
        assert await call == b"a" * size

    async def test_gzip_on_a_stream(self, either: Channel) -> None:
        method = either.stream_stream("/test.Service/Echo")
        call = method(iter([b"a" * 100, b"b" * 100]), compression=grpc.Compression.Gzip)
        assert [message async for message in call] == [b"a" * 100, b"b" * 100]


#: Seconds to try with, of which a busy machine may need the first to begin a call.
DEADLINES = (0.2, 5.0, 60.0)


async def collected(call: Any, read: list[bytes]) -> None:
    async for message in call:
        read.append(message)  # noqa: PERF401 - it ends with an error


class TestEnd:
    @pytest.mark.parametrize("method", ["Forever", "ParkedForever"])
    async def test_deadline_cancels_the_handler(
        self, either: Channel, service: Service, method: str
    ) -> None:
        for seconds in DEADLINES:
            error = await failure(unary(either, method)(b"", timeout=seconds))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if service.started.is_set():
                break
        await asyncio.wait_for(service.cancelled.wait(), 60)

    @pytest.mark.parametrize("method", ["Forever", "ParkedForever"])
    async def test_cancel_cancels_the_handler(
        self, either: Channel, service: Service, method: str
    ) -> None:
        call = unary(either, method)(b"")
        await asyncio.wait_for(service.started.wait(), 60)
        call.cancel()
        await asyncio.wait_for(service.cancelled.wait(), 60)

    async def test_lost_client_cancels_the_handler(self, either: Channel, service: Service) -> None:
        call = asyncio.ensure_future(unary(either, "Forever")(b""))
        await asyncio.wait_for(service.started.wait(), 60)
        await either.close()
        await asyncio.wait_for(service.cancelled.wait(), 60)
        await asyncio.gather(call, return_exceptions=True)

    async def test_done_callback_learns_of_the_cancellation(
        self, channel: Channel, service: Service
    ) -> None:
        call = unary(channel, "Forever")(b"")
        await asyncio.wait_for(service.started.wait(), 60)
        call.cancel()
        await asyncio.wait_for(service.called_back.wait(), 60)
        assert service.callbacks == [True]

    async def test_deadline_ends_a_stream(self, either: Channel, service: Service) -> None:
        method = either.unary_stream("/test.Service/StreamForever")
        for seconds in DEADLINES:
            call = method(b"", timeout=seconds)
            read: list[bytes] = []
            error = await failure(collected(call, read))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if read:
                break
        assert read == [b"first"]
        await asyncio.wait_for(service.cancelled.wait(), 60)


async def slowly(*requests: bytes) -> AsyncIterator[bytes]:
    for request in requests:
        await asyncio.sleep(0)
        yield request


class TestStreams:
    async def test_generator(self, either: Channel) -> None:
        call = either.unary_stream("/test.Service/Count")(b"1000")
        assert [m async for m in call] == [b"%d" % n for n in range(1000)]

    async def test_no_messages_are_success(self, either: Channel) -> None:
        call = either.unary_stream("/test.Service/Count")(b"0")
        assert [m async for m in call] == []
        assert await call.code() is grpc.StatusCode.OK

    async def test_writes_larger_than_the_windows(self, either: Channel) -> None:
        call = either.unary_stream("/test.Service/Write")(b"50 200000")
        assert [len(m) async for m in call] == [200_000] * 50

    async def test_client_stream(self, either: Channel) -> None:
        method = either.stream_unary("/test.Service/Join")
        assert await method(slowly(b"a", b"b", b"c")) == b"a b c"
        assert await method(slowly()) == b""

    @pytest.mark.parametrize("method", ["Echo", "Read", "Each"])
    async def test_bidi_one_by_one(self, either: Channel, method: str) -> None:
        call = either.stream_stream(f"/test.Service/{method}")()
        for n in range(20):
            await call.write(b"%d" % n)
            assert await call.read() == b"%d" % n
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    @pytest.mark.parametrize("method", ["Echo", "Read", "Each"])
    async def test_bidi_all_at_once(self, either: Channel, method: str) -> None:
        requests = [bytes(n * 100) for n in range(300)]
        call = either.stream_stream(f"/test.Service/{method}")(slowly(*requests))
        assert [m async for m in call] == requests

    async def test_each_request_is_answered_in_turn(
        self, either: Channel, service: Service
    ) -> None:
        call = either.stream_stream("/test.Service/Each")()
        for request in (b"1", b"wait", b"2"):
            await call.write(request)
        await call.done_writing()
        assert await call.read() == b"1"
        service.release.set_result(b"ed")
        assert [await call.read(), await call.read()] == [b"waited", b"2"]
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    async def test_error_ends_a_stream_of_answers(self, either: Channel) -> None:
        call = either.stream_stream("/test.Service/Each")()
        await call.write(b"1")
        assert await call.read() == b"1"
        await call.write(b"fail")
        error = await failure(call.read())
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "asked for")

    async def test_handler_decides_what_half_close_means(self, either: Channel) -> None:
        call = either.stream_stream("/test.Service/EchoThenMore")(slowly(b"a"))
        assert [m async for m in call] == [b"a", b"after half-close"]
