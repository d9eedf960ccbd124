"""Rules look at requests before and after the node does."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.clock import MovableClock
from etcdpy.testing.requests import Request
from etcdpy.testing.rules import (
    Delay,
    Drop,
    Fail,
    Finding,
    NoLeader,
    Rules,
    UnknownTokens,
    code_named,
    wants_leader,
)
from etcdpy.transport import StatusCode, StatusError


class Caller:
    """Somebody who asks."""

    def __init__(self, token: str | None = None, **metadata: str) -> None:
        self.token = token
        self._metadata = tuple(metadata.items())

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


class Node:
    """Answers, and counts that."""

    def __init__(self) -> None:
        self.answered = 0

    async def answer(self) -> str:
        self.answered += 1
        return "answer"


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def node() -> Node:
    return Node()


def request(method: str = "KV/Put", message: Any = None, over: str = "grpc") -> Request:
    return Request(0, method, message, "peer", over=over)


async def test_without_rules_requests_are_answered(rules: Rules, node: Node) -> None:
    assert await rules.apply(request(), Caller(), node.answer) == "answer"


async def test_failure_happens_so_often_and_to_those_that_are_meant(
    rules: Rules, node: Node
) -> None:
    rules.add(Fail("aborted", None, "KV/Put", times=1))
    await rules.apply(request("KV/Range"), Caller(), node.answer)
    with pytest.raises(StatusError, match="was ordered"):
        await rules.apply(request(), Caller(), node.answer)
    await rules.apply(request(), Caller(), node.answer)
    assert node.answered == 2


async def test_delay_ends_with_its_seconds_or_with_itself(rules: Rules, node: Node) -> None:
    clock = MovableClock()
    rule = Delay(clock, 5, "*")
    rules.add(rule)
    first = asyncio.ensure_future(rules.apply(request(), Caller(), node.answer))
    await clock.advance(4)
    second = asyncio.ensure_future(rules.apply(request(), Caller(), node.answer))
    await clock.advance(1)
    assert (first.done(), second.done()) == (True, False)
    rules.remove(rule)
    rules.remove(rule)
    assert await second == "answer"


async def test_drop_comes_behind_the_answer(rules: Rules, node: Node) -> None:
    dropped: list[Any] = []
    caller = Caller()
    rules.add(Drop(MovableClock(), dropped.append, "*", 1))
    lost = asyncio.ensure_future(rules.apply(request(), caller, node.answer))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (node.answered, dropped, lost.done()) == (1, [caller], False)
    rules.clear()
    with pytest.raises(StatusError):
        await lost


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(), "request timed out"),
        (request("KV/Range", pb.RangeRequest()), "request timed out"),
        (request("Lease/LeaseKeepAlive"), "no leader"),
        (request(over="http"), "request timed out"),
    ],
)
async def test_without_a_leader_requests_time_out(
    rules: Rules, node: Node, asked: Request, words: str
) -> None:
    clock = MovableClock()
    rules.add(NoLeader(clock, 7))
    waiting = asyncio.ensure_future(rules.apply(asked, Caller(), node.answer))
    await clock.advance(6)
    assert not waiting.done()
    await clock.advance(1)
    with pytest.raises(StatusError, match=words):
        await waiting
    assert node.answered == 0


@pytest.mark.parametrize(
    "asked",
    [
        request("Maintenance/Status"),
        request("KV/Range", pb.RangeRequest(serializable=True)),
        request("GET /health", over="http"),
    ],
)
async def test_without_a_leader_a_member_answers_what_it_knows(
    rules: Rules, node: Node, asked: Request
) -> None:
    rules.add(NoLeader(MovableClock(), 7))
    assert await rules.apply(asked, Caller(), node.answer) == "answer"


async def test_who_asks_for_a_leader_does_not_wait(rules: Rules, node: Node) -> None:
    rules.add(NoLeader(MovableClock(), 7))
    asks = Caller(hasleader="true")
    with pytest.raises(StatusError, match="no leader"):
        await rules.apply(request(), asks, node.answer)
    with pytest.raises(StatusError, match="no leader"):
        rules.check_open(request("Watch/Watch"), asks)
    rules.check_open(request("Watch/Watch"), Caller())
    assert not wants_leader(object())


async def test_tokens_that_are_none_any_more(rules: Rules, node: Node) -> None:
    rules.add(UnknownTokens(frozenset({"old"})))
    with pytest.raises(StatusError, match="invalid auth token"):
        await rules.apply(request(), Caller("old"), node.answer)
    await rules.apply(request("Auth/Authenticate"), Caller("old"), node.answer)
    await rules.apply(request(), Caller("new"), node.answer)


async def test_finding_is_made_before_each_request(rules: Rules, node: Node) -> None:
    found: list[int] = []
    rules.add(Finding(lambda: found.append(node.answered)))
    await rules.apply(request(), Caller(), node.answer)
    await rules.apply(request("Maintenance/Alarm"), Caller(), node.answer)
    assert found == [0]


def test_codes_have_names() -> None:
    assert code_named("not_found") is StatusCode.NOT_FOUND
    assert code_named(StatusCode.ABORTED) is StatusCode.ABORTED
    assert code_named(grpc.StatusCode.ABORTED) is StatusCode.ABORTED
    with pytest.raises(ValueError, match="UNAVAILABLE"):
        code_named("nothing")
