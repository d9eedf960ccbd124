"""aetcd's watches, unchanged, tell the same of etcdpy as of a real etcd."""

from __future__ import annotations

import asyncio
from typing import Any

import aetcd
import pytest
from aetcd import rtypes

from tests.interop.aetcd_clients import Both

TIMEOUT = 60.0


def _seen(event: Any) -> tuple[Any, ...]:
    kv, prev = event.kv, event.prev_kv
    return (
        event.kind,
        (kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease),
        None if prev is None else (prev.key, prev.value, prev.mod_revision),
    )


async def _events(watch: Any, count: int) -> list[tuple[Any, ...]]:
    async def take() -> list[tuple[Any, ...]]:
        seen = []
        async for event in watch:
            seen.append(_seen(event))
            if len(seen) == count:
                break
        return seen

    seen = await asyncio.wait_for(take(), TIMEOUT)
    await watch.cancel()
    return seen


async def _first(client: aetcd.Client) -> int:
    found = await client.get(b"a")
    revision: int = found.create_revision
    return revision


async def _past_and_present(client: aetcd.Client, **options: Any) -> list[tuple[Any, ...]]:
    watch = await client.watch(b"a", start_revision=await _first(client), **options)
    await client.put(b"a", b"10")
    await client.delete(b"a")
    kind = options.get("kind")
    return await _events(watch, 4 if kind is None else 3 if kind == rtypes.EventKind.PUT else 1)


@pytest.mark.parametrize(
    "options",
    [{}, {"prev_kv": True}, {"fragment": True}, {"progress_notify": True}],
    ids=str,
)
async def test_watch(both: Both, options: dict[str, Any]) -> None:
    told = await both.answer(lambda client: _past_and_present(client, **options))
    assert [value for _, (_, value, *_), _ in told] == [b"1", b"9", b"10", b""]


async def test_watch_prefix(both: Both) -> None:
    async def watch(client: aetcd.Client) -> list[tuple[Any, ...]]:
        started = await client.watch_prefix(b"x/", start_revision=await _first(client))
        for key in (b"x", b"x/1", b"x/2", b"y"):
            await client.put(key, b"v")
        await client.delete_prefix(b"x/")
        return await _events(started, 4)

    told = await both.answer(watch)
    assert [key for _, (key, *_), _ in told] == [b"x/1", b"x/2", b"x/1", b"x/2"]


async def test_watch_once(both: Both) -> None:
    async def watch(client: aetcd.Client) -> tuple[Any, ...]:
        return _seen(
            await client.watch_once(b"a", timeout=TIMEOUT, start_revision=await _first(client))
        )

    _, (key, value, *_), _ = await both.answer(watch)
    assert (key, value) == (b"a", b"1")


async def test_watch_prefix_once_runs_into_its_timeout(both: Both) -> None:
    with pytest.raises(aetcd.WatchTimeoutError):
        await both.answer(lambda client: client.watch_prefix_once(b"nobody/", timeout=1))


async def test_a_compacted_past_is_refused(both: Both) -> None:
    async def watch(client: aetcd.Client) -> list[tuple[Any, ...]]:
        first = await _first(client)
        await client.compact(first + 2)
        return await _events(await client.watch(b"a", start_revision=first), 1)

    with pytest.raises(aetcd.RevisionCompactedError):
        await both.answer(watch)


async def test_callbacks(both: Both) -> None:
    async def watch(client: aetcd.Client) -> list[tuple[Any, ...]]:
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        callback = await client._watcher.add_callback(
            b"a", arrived.put, start_revision=await _first(client)
        )
        seen = [_seen(await asyncio.wait_for(arrived.get(), TIMEOUT)) for _ in range(2)]
        await client._watcher.cancel(callback.watch_id)
        return seen

    assert len(await both.answer(watch)) == 2
