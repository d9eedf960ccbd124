"""Large writes: they go in slices, others wait, and the disk gets all or nothing."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.cooperative import Steps
from etcdpy.errors import KeyNotFoundError
from etcdpy.mvcc import slices, store
from etcdpy.mvcc.store import Store
from etcdpy.node import writer as writer_module
from etcdpy.node.writer import Writer
from etcdpy.storage import StorageError
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, put, settle

KEYS = [b"%03d" % number for number in range(10)]


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (slices, store):
        monkeypatch.setattr(module, "SLICE", 3)


def deletion(store: Store) -> Steps[int]:
    changes = store.begin()
    yield from changes.delete_all(list(KEYS))
    changes.commit()
    return changes.revision


async def begun(store: Store, log: FakeLog) -> tuple[Writer, asyncio.Future[int]]:
    """Return a writer that is busy with the deletion of all keys, and what its caller waits for."""
    writer = Writer(store)
    put(store, *((key, b"v") for key in KEYS))
    await settle(log)
    large = asyncio.ensure_future(writer.write(deletion(store)))
    await turns()
    return writer, large


async def test_small_write_ends_at_once() -> None:
    async with new_store() as (store, _):
        writer = Writer(store)

        def steps() -> Steps[str]:
            yield from ()
            return "done"

        assert await writer.write(steps()) == "done"
        assert writer.busy is None


async def test_half_a_write_never_reaches_the_disk() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        while writer.busy is not None:
            log.flush_soon()
            await turns()
            assert not log.on_their_way or writer.busy is None
            assert store.index.count(b"", None, store.durable_revision) == len(KEYS)
        assert await large == 3
        await turns()
        assert [len(batch.rows) for batch in log.on_their_way] == [len(KEYS)]


async def test_other_writes_wait_for_their_turn() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        with pytest.raises(AssertionError):
            store.begin()
        waiting = [asyncio.ensure_future(writer.idle()) for _ in range(3)]
        waiting[0].cancel()
        await large
        await asyncio.wait_for(asyncio.gather(*waiting[1:]), 60)
        assert put(store, (b"a", b"1")) == 4


async def entered(writer: Writer, who: str, store: Store, order: list[str]) -> None:
    """Wait for a turn, then make a write that goes in slices."""

    def steps() -> Steps[None]:
        changes = store.begin()
        yield
        changes.commit()

    await writer.idle(who)
    order.append(who)
    await writer.write(steps())


async def test_each_has_one_turn_a_round_however_many_it_waits_for() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        order: list[str] = []
        names = ["greedy"] * 5 + ["modest", "greedy", "late"]
        waiting = [asyncio.ensure_future(entered(writer, name, store, order)) for name in names]
        await asyncio.wait_for(asyncio.gather(large, *waiting), 60)
        assert order[:3] == ["greedy", "modest", "late"]
        assert order[3:] == ["greedy"] * 5


async def test_thousands_who_wait_are_woken_a_few_at_a_time() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        order: list[str] = []
        number = 1000
        woken = 0
        plain_idle = writer.idle

        async def counted(who: str = "") -> None:
            nonlocal woken
            await plain_idle(who)
            woken += 1

        writer.idle = counted  # type: ignore[method-assign]
        waiting = [
            asyncio.ensure_future(entered(writer, str(n), store, order)) for n in range(number)
        ]
        await asyncio.wait_for(asyncio.gather(large, *waiting), 60)
        assert order == [str(n) for n in range(number)]
        assert woken == number
        assert writer.waiting == 0


async def test_who_waits_no_longer_keeps_nobody_waiting() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        order: list[str] = []
        waiting = [
            asyncio.ensure_future(entered(writer, name, store, order)) for name in ("a", "b", "c")
        ]
        await turns()
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.wait_for(asyncio.gather(large, *waiting, return_exceptions=True), 60)
        assert order == ["c"]


async def test_cancelled_caller_leaves_the_write_to_go_on() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        large.cancel()
        await writer.idle()
        assert large.cancelled()
        assert len(store.index) == 0
        await settle(log)
        assert store.durable_revision == 3


async def test_refused_write_lets_the_next_begin() -> None:
    async with new_store() as (store, _):
        writer = Writer(store)

        def steps() -> Steps[None]:
            yield
            yield
            raise KeyNotFoundError

        with pytest.raises(KeyNotFoundError):
            await writer.write(steps())
        assert writer.busy is None
        assert put(store, (b"a", b"1")) == 2


@pytest.mark.parametrize("slices", [0, 2])
async def test_write_that_breaks_half_way_is_the_end_of_the_store(slices: int) -> None:
    async with new_store() as (store, log):
        writer = Writer(store)

        def steps() -> Steps[None]:
            store.begin().put(b"a", b"1", 0)
            for _ in range(slices):
                yield
            raise LookupError("no such row")

        with pytest.raises(StorageError, match="no such row"):
            await writer.write(steps())
        assert isinstance(log.failed, StorageError)
        assert not log.disk.key_rows
        assert all(batch.durable.exception() for batch in log.on_their_way)


async def small(writer: Writer, who: str, store: Store, order: list[str]) -> None:
    """Put a key, in one's turn if one has to wait."""

    def write() -> None:
        order.append(who)
        put(store, (who.encode(), b"value"))

    if writer.busy is None:
        write()
    else:
        await writer.idle(who)
        writer.in_turn(write)


async def test_writes_are_held_back_while_the_disk_has_much_to_write() -> None:
    async with new_store() as (store, log):
        writer = Writer(store)
        order: list[str] = []
        writer.hold_back()
        waiting = [asyncio.ensure_future(small(writer, name, store, order)) for name in "ab"]
        await turns(5)
        assert order == []
        writer.go_on()
        await asyncio.wait_for(asyncio.gather(*waiting), 60)
        assert order == ["a", "b"]
        assert writer.busy is None
        await settle(log)


async def test_who_comes_when_others_wait_waits_behind_them() -> None:
    async with new_store() as (store, log):
        writer = Writer(store)
        order: list[str] = []
        writer.hold_back()
        waiting = [
            asyncio.ensure_future(small(writer, str(name), store, order)) for name in range(100)
        ]
        await turns()
        writer.go_on()
        late = asyncio.ensure_future(small(writer, "late", store, order))
        await asyncio.wait_for(asyncio.gather(*waiting, late), 60)
        assert order == [*map(str, range(100)), "late"]
        assert writer.busy is None
        await settle(log)


async def test_who_has_waited_looks_at_what_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "BEHIND_BYTES", 60)
    async with new_store() as (store, log):
        writer = Writer(store)
        order: list[str] = []
        writer.hold_back()
        waiting = [
            asyncio.ensure_future(small(writer, name, store, order)) for name in ("a", "a", "b")
        ]
        waiting += [asyncio.ensure_future(small(writer, "a", store, order)) for _ in range(20)]
        await turns()
        writer.go_on()
        while not all(task.done() for task in waiting):
            assert log.batch.put_bytes < 100
            await turns(2)
            await settle(log)
        assert order == ["a", "b", *"a" * 21]
        assert writer.busy is None


async def test_nobody_waits_for_the_disk_when_the_node_closes() -> None:
    async with new_store() as (store, log):
        writer, large = await begun(store, log)
        await writer.finished()
        assert await large == 3
        writer.hold_back()
        await writer.finished()
        assert writer.busy is not None
