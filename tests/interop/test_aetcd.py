"""aetcd, unchanged: every call answers from etcdpy what it answers from a real etcd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aetcd
import pytest

from tests.interop.aetcd_clients import Both, Call, keys

READS: Mapping[str, tuple[Call, list[bytes]]] = {
    "get_prefix": (lambda c: c.get_prefix(b"a"), [b"a"]),
    "get_prefix, none": (lambda c: c.get_prefix(b"x"), []),
    "get_range": (lambda c: c.get_range(b"a", b"c"), [b"a", b"b"]),
    "get_range, to the end": (lambda c: c.get_range(b"b", b"\0"), [b"b", b"c"]),
    "get_range, inverted": (lambda c: c.get_range(b"c", b"a"), []),
    "get_all": (lambda c: c.get_all(), [b"a", b"b", b"c"]),
    "get_all, keys only": (lambda c: c.get_all(keys_only=True), [b"a", b"b", b"c"]),
    "get_all, descending": (lambda c: c.get_all(sort_order="descend"), [b"c", b"b", b"a"]),
    "get_prefix, keys only": (lambda c: c.get_prefix(b"b", keys_only=True), [b"b"]),
    "get_range, by version": (
        lambda c: c.get_range(b"a", b"z", sort_order="descend", sort_target="version"),
        [b"a", b"b", b"c"],
    ),
    "get_range, by value": (
        lambda c: c.get_range(b"a", b"z", sort_order="ascend", sort_target="value"),
        [b"b", b"c", b"a"],
    ),
    "get_all, by create revision": (
        lambda c: c.get_all(sort_order="descend", sort_target="create"),
        [b"c", b"b", b"a"],
    ),
    "get_all, by mod revision": (
        lambda c: c.get_all(sort_order="ascend", sort_target="mod"),
        [b"b", b"c", b"a"],
    ),
    "get_all, by value, keys only": (
        lambda c: c.get_all(sort_order="descend", sort_target="value", keys_only=True),
        [b"a", b"c", b"b"],
    ),
}


@pytest.mark.parametrize("name", READS)
async def test_ranges(both: Both, name: str) -> None:
    call, expected = READS[name]
    found = await both.answer(call)
    assert keys(found) == expected
    assert found.count == len(expected)
    assert not found.more


async def test_get_returns_the_key_value_and_its_history(both: Both) -> None:
    found = await both.answer(lambda c: c.get(b"a"))
    assert (found.value, found.version) == (b"9", 2)
    assert found.mod_revision == found.create_revision + 3 == found.header.revision


async def test_get_of_a_missing_key(both: Both) -> None:
    assert await both.answer(lambda c: c.get(b"missing")) is None


async def test_serializable_get(both: Both) -> None:
    assert (await both.answer(lambda c: c.get(b"a", serializable=True))).value == b"9"


async def test_put_returns_the_previous_value_when_asked(both: Both) -> None:
    first = await both.answer(lambda c: c.put(b"a", b"10", prev_kv=True))
    assert (first.prev_kv.value, first.prev_kv.version) == (b"9", 2)
    assert (await both.answer(lambda c: c.put(b"a", b"11"))).prev_kv is None
    await both.answer(lambda c: c.put(b"new", b"", prev_kv=True))
    assert (await both.answer(lambda c: c.get(b"new"))).value == b""


async def test_keys_and_values_are_bytes(both: Both) -> None:
    every = bytes(range(256))
    await both.answer(lambda c: c.put(every, every))
    assert (await both.answer(lambda c: c.get(every))).value == every
    # aetcd's range end of a prefix without successor is the prefix itself.
    assert keys(await both.answer(lambda c: c.get_prefix(b"\xff"))) == []


async def test_delete(both: Both) -> None:
    assert (await both.answer(lambda c: c.delete(b"a"))).deleted == 1
    assert await both.answer(lambda c: c.delete(b"a")) is None
    assert (await both.answer(lambda c: c.delete(b"b", prev_kv=True))).prev_kv.value == b"2"
    assert keys(await both.answer(lambda c: c.get_all())) == [b"c"]


async def test_delete_prefix_and_range(both: Both) -> None:
    await both.answer(lambda c: c.put(b"aa", b"1"))
    gone = await both.answer(lambda c: c.delete_prefix(b"a", prev_kv=True))
    assert (gone.deleted, keys(gone)) == (2, [b"a", b"aa"])
    gone = await both.answer(lambda c: c.delete_range(b"b", b"c"))
    assert (gone.deleted, keys(gone)) == (1, [])
    assert not await both.answer(lambda c: c.delete_prefix(b"a"))


async def test_compact_physically_and_in_the_background(both: Both) -> None:
    for physical in (False, True):
        now = (await both.answer(lambda c: c.put(b"a", b"x"))).header.revision
        await both.answer(lambda c, r=now, p=physical: c.compact(r, physical=p))  # type: ignore[misc]
        with pytest.raises(aetcd.ClientError, match="required revision has been compacted"):
            await both.answer(lambda c, r=now: c.compact(r))  # type: ignore[misc]
    assert keys(await both.answer(lambda c: c.get_all())) == [b"a", b"b", b"c"]


PUT = aetcd.transactions.Put(b"k", b"1")

REFUSED: Mapping[str, tuple[Call, str]] = {
    "empty key": (lambda c: c.get(b""), "key is not provided"),
    "put without a key": (lambda c: c.put(b"", b"1"), "key is not provided"),
    "delete without a key": (lambda c: c.delete(b""), "key is not provided"),
    "unknown lease": (lambda c: c.put(b"a", b"1", lease=0x7001), "requested lease not found"),
    "future compaction": (lambda c: c.compact(1 << 40), "is a future revision"),
    "duplicate key": (
        lambda c: c.transaction(compare=[], success=[PUT, PUT], failure=[]),
        "duplicate key given",
    ),
    "too many operations": (
        lambda c: c.transaction(compare=[], success=[PUT] * 129, failure=[]),
        "too many operations",
    ),
    "too large a value": (lambda c: c.put(b"big", bytes(1_600_000)), "request is too large"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals_carry_the_same_error(both: Both, name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(aetcd.ClientError, match=words):
        await both.answer(call)


async def test_members(both: Both) -> None:
    async def listed(client: aetcd.Client) -> list[tuple[Any, ...]]:
        return [(m.id, m.name, m.peer_urls) async for m in client.members()]

    assert len(await both.answer(listed)) == 1


async def test_status(both: Both) -> None:
    async def identity(client: aetcd.Client) -> tuple[Any, ...]:
        status = await client.status()
        return status.leader.id, status.leader.name, status.raft_term

    await both.answer(identity)
    status = await both.etcdpy.status()
    assert status.version.startswith("3.")
    assert status.db_size > 0
    assert status.raft_index > 0


async def test_no_alarms(both: Both) -> None:
    async def alarms(client: aetcd.Client) -> list[Any]:
        return [alarm.alarm_type async for alarm in client.list_alarms()]

    assert await both.answer(alarms) == []
