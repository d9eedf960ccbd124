"""Faults begin by name and end by number, each alone and all at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.breaking import KINDS, Breaker, selector
from etcdpy.testing.engine import Engine
from etcdpy.testing.faults import Faults
from etcdpy.testing.requests import Request
from etcdpy.testing.settings import Settings


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(Settings.of())
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
def breaker(engine: Engine) -> Breaker:
    return Breaker(engine)


def test_tests_can_order_each_of_them() -> None:
    assert set(KINDS) == {name for name in vars(Faults) if name in KINDS}


async def test_fault_that_there_is_not_is_refused(breaker: Breaker) -> None:
    with pytest.raises(ValueError, match="there is no fault 'fire'; there are blackhole"):
        await breaker.begin("fire")
    with pytest.raises(ValueError, match="seconds"):
        await breaker.begin("delay", method="*")


async def test_every_fault_ends_without_a_trace(engine: Engine, breaker: Breaker) -> None:
    more: dict[str, dict[str, Any]] = {
        "delay": {"seconds": 1},
        "slow_disk": {"seconds": 0},
        "fail": {"code": "ABORTED"},
    }
    for kind in KINDS:
        number = await breaker.begin(kind, **more.get(kind, {}))
        await breaker.end(number)
        await breaker.end(number)
    assert engine.is_up
    log = engine.current.node.parts.store.log
    assert getattr(log, "before_write", None) is None
    assert engine.current.node.parts.alarms.matching(pb.NONE) == []
    for kind in KINDS:
        await breaker.begin(kind, **more.get(kind, {}))
        await breaker.end_all()
    assert await engine.current.put_all([(b"a", b"1")]) == 2


async def test_slow_disk_is_slow_after_a_restart_too(engine: Engine, breaker: Breaker) -> None:
    number = await breaker.begin("slow_disk", seconds=0)
    await engine.restart()
    log = engine.current.node.parts.store.log
    assert getattr(log, "before_write", None) is not None
    await breaker.end(number)
    assert getattr(log, "before_write", None) is None


def test_requests_are_chosen_by_words_alone() -> None:
    assert selector("KV/Put") == "KV/Put"
    chosen = selector("KV/Put", ["a*"])
    assert callable(chosen)
    assert chosen(Request(0, "KV/Put", pb.PutRequest(key=b"ab"), "peer"))
    assert not chosen(Request(0, "KV/Put", pb.PutRequest(key=b"b"), "peer"))
