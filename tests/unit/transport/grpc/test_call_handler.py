"""Who runs handlers: the dispatchers, and what tests put in their place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.transport.grpc.call_handler import CallHandler
from etcdpy.transport.grpc.dispatcher import Dispatcher, ObservedDispatcher
from etcdpy.transport.http import not_found

from .. import peer

ASKED = [
    "answer_arrived",
    "answer_one",
    "cancel",
    "start_http",
    "start_stream",
    "start_unary",
    "unwatch",
    "watch",
]


def test_nothing_but_this_is_asked() -> None:
    assert [name for name in sorted(vars(CallHandler)) if name in ASKED] == ASKED
    assert set(CallHandler.__annotations__) == {"call_type", "clock", "turnstile"}


@pytest.mark.parametrize("kind", [Dispatcher, ObservedDispatcher, peer.CallHandler])
async def test_each_does_what_is_asked(kind: Any) -> None:
    clock = MovableClock()
    handler: CallHandler
    if kind is peer.CallHandler:
        handler = peer.CallHandler(clock)
    else:
        handler = kind(asyncio.get_running_loop(), not_found, clock)
    assert all(callable(getattr(handler, name)) for name in ASKED)
    assert handler.clock is clock
