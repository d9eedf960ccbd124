"""Who has sent a request of HTTP."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.clock import SystemClock
from etcdpy.http.caller import HttpCaller
from etcdpy.node.caller import Caller
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import StatusCode, StatusError
from etcdpy.transport.http import Body, HttpRequest


def request(*headers: tuple[bytes, bytes]) -> HttpRequest:
    return HttpRequest("POST", "/", "", headers, Body(), "ipv4:10.0.0.1:5", certificate_name="root")


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([], None),
        ([(b"token", b"t")], None),
        ([(b"authorization", b"t")], "t"),
        ([(b"authorization", b"Bearer t")], "t"),
        ([(b"authorization", b"bearer t")], "bearer t"),
        ([(b"grpc-metadata-token", b"t")], "t"),
        ([(b"authorization", b"a"), (b"grpc-metadata-token", b"t")], "t"),
        ([(b"grpc-metadata-authorization", b"t")], "t"),
    ],
)
def test_token_comes_from_the_headers_that_etcd_reads(
    headers: list[tuple[bytes, bytes]], token: str | None
) -> None:
    assert HttpCaller(request(*headers), MovableClock()).token == token


def test_certificate_names_nobody_here() -> None:
    caller: Caller = HttpCaller(request(), MovableClock())
    assert caller.certificate_name is None
    assert not caller.is_trusted
    assert caller.peer() == "ipv4:10.0.0.1:5"


def test_method_is_that_of_grpc_and_the_software_is_what_it_says() -> None:
    headers = ((b"user-agent", b"curl/8"),)
    asked = HttpRequest("POST", "/v3/kv/put?x=y", "", headers, Body(), "p")
    caller: Caller = HttpCaller(asked, MovableClock())
    assert (caller.method, caller.user_agent) == ("/etcdserverpb.KV/Put", "curl/8")
    silent = HttpCaller(request(), MovableClock())
    assert (silent.method, silent.user_agent) == (None, None)


def test_headers_become_metadata_in_order() -> None:
    headers = [(b"user-agent", b"u"), (b"x", b"y"), (b"grpc-metadata-a", b"1")]
    caller = HttpCaller(request(*headers), MovableClock())
    assert caller.invocation_metadata() == (("user-agent", "u"), ("a", "1"))


async def test_time_runs_out() -> None:
    clock = MovableClock()
    caller = HttpCaller(request(), clock, 5.0)
    assert caller.time_remaining() == 5.0
    await clock.advance(2)
    assert caller.time_remaining() == 3.0
    await clock.advance(9)
    assert caller.time_remaining() == 0.0
    with pytest.raises(StatusError) as refused, caller.limited():
        pass
    assert refused.value.code is StatusCode.DEADLINE_EXCEEDED
    assert HttpCaller(request(), clock).time_remaining() is None


async def test_what_takes_longer_is_cut_off_and_others_are_not() -> None:
    caller = HttpCaller(request(), SystemClock(), 0.01)
    with pytest.raises(StatusError) as refused, caller.limited():
        await asyncio.get_running_loop().create_future()
    assert refused.value.details == "context deadline exceeded"
    with HttpCaller(request(), SystemClock(), 60).limited():
        await asyncio.sleep(0)
    with HttpCaller(request(), SystemClock()).limited():
        await asyncio.sleep(0)


async def test_who_is_cancelled_in_time_is_cancelled() -> None:
    async def wait() -> None:
        with HttpCaller(request(), SystemClock(), 60).limited():
            await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
