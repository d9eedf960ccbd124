"""One who watches gets lines, and is let go of when it leaves."""

from __future__ import annotations

import asyncio
import gc

import pytest

from etcdpy.http.v2.watching import EventLines
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.v2_world import V2World


@pytest.fixture
async def world() -> V2World:
    return V2World()


def lines_of(world: V2World, *, stream: bool = False, since: int = 0) -> EventLines:
    return EventLines(world.v2, world.v2.watch("/a", stream=stream, since=since))


async def test_line_comes_with_the_event_and_is_the_last(world: V2World) -> None:
    lines = lines_of(world)
    waiting = asyncio.ensure_future(anext(lines))
    await turns(2)
    assert not waiting.done()
    event = await world.done(world.v2.set("/a", "1"))
    assert await waiting == event.line
    assert lines.is_at_end()
    assert [line async for line in lines] == []


async def test_stream_goes_on_and_gives_at_once_what_is_there(world: V2World) -> None:
    lines = lines_of(world, stream=True)
    events = [await world.done(world.v2.set("/a", "1")) for _ in range(2)]
    assert await anext(lines) == events[0].line + events[1].line
    assert not lines.is_at_end()
    event = await world.done(world.v2.set("/a", "1"))
    assert await anext(lines) == event.line


async def test_past_event_is_there_at_once(world: V2World) -> None:
    event = await world.done(world.v2.set("/a", "1"))
    assert [line async for line in lines_of(world, since=4)] == [event.line]


async def test_who_is_cut_off_is_let_go_of(world: V2World) -> None:
    waiting = asyncio.ensure_future(anext(lines_of(world)))
    await turns(2)
    assert len(world.v2.hub) == 1
    waiting.cancel()
    await turns(2)
    assert len(world.v2.hub) == 0


async def test_who_never_takes_anything_is_let_go_of(world: V2World) -> None:
    lines = lines_of(world)
    assert len(world.v2.hub) == 1
    del lines
    gc.collect()
    assert len(world.v2.hub) == 0


async def test_end_of_the_server_is_the_end_of_the_lines(world: V2World) -> None:
    waiting = asyncio.ensure_future(anext(lines_of(world, stream=True), b"the end"))
    await turns(2)
    await world.v2.close()
    assert await waiting == b"the end"
