"""Changes that are made before their turn are those that are made in it."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.cooperative import finish
from etcdpy.errors import EtcdError
from etcdpy.mvcc import columns, slices, store
from etcdpy.mvcc.columns import Columns, columns_of
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn import apply_txn, encode_result
from etcdpy.mvcc.txn_plan import decided
from etcdpy.mvcc.txn_request import Txn
from etcdpy.mvcc.within import Later
from etcdpy.pb.rpc_pb2 import RequestOp, TxnRequest
from tests.unit.mvcc.stores import counted, delete, new_store, put, settle
from tests.unit.mvcc.test_gathered import found_in
from tests.unit.mvcc.test_short_txn import HEADERS, get, lease_exists, remove, set_
from tests.unit.mvcc.test_within import reply_at_once

KEYS = [b"%c" % number for number in b"abcdefgh"]


def inner(*ops: RequestOp) -> RequestOp:
    return RequestOp(request_txn=TxnRequest(success=ops))


def made_of(store: Store, *ops: RequestOp) -> Columns | None:
    """Return the columns of a transaction of some operations, None if there are none."""
    request = Txn.of(TxnRequest(success=ops))
    plan = finish(decided(store, request, store.revision))
    return finish(columns_of(store, plan.path))


class Made:
    """A transaction that is made and waits for its turn."""

    def __init__(self, store: Store, request: Txn) -> None:
        self._store = store
        self._request = request
        plan = finish(decided(store, request, store.revision))
        self._made = finish(columns_of(store, plan.path))
        self._plan = plan._replace(columns=self._made)

    @property
    def is_made(self) -> bool:
        return self._made is not None

    @property
    def still_holds(self) -> bool:
        return self._made is not None and self._made.still_hold(self._store)

    def reply(self) -> bytes:
        store = self._store
        write, later = store.begin(), Later(store)
        steps = apply_txn(store, write, self._request, lease_exists, None, self._plan, later)
        result = finish(steps)
        write.commit()
        return bytes(finish(encode_result(HEADERS.at(result.revision), result, later)))


def random_ops(random: Random) -> list[RequestOp]:
    """Return operations of which nearly none names a key that another one changes."""
    names = random.sample(KEYS, len(KEYS))
    if random.random() < 0.1:
        names.append(random.choice(KEYS))
    ops: list[RequestOp] = []
    for key in names[: random.randrange(1, len(names))]:
        asks = random.random() < 0.3
        ops.append(
            random.choice(
                (
                    set_(key, random.choice((b"", b"x", b"y" * 200)), prev_kv=asks),
                    set_(key, lease=random.choice((0, 7)), prev_kv=asks),
                    set_(key),
                    set_(key, b"", ignore_value=True, prev_kv=asks),
                    set_(key, b"z", ignore_lease=True),
                    remove(key, prev_kv=asks),
                    remove(key, range_end=bytes([key[0] + random.randrange(4)]), prev_kv=asks),
                    get(key),
                    get(b"a", range_end=random.choice(KEYS)),
                    get(b"a", range_end=b"z", revision=random.choice((0, 1, 2)), limit=2),
                )
            )
        )
        if random.random() < 0.2:
            first = random.randrange(len(ops))
            ops[first:] = [inner(*ops[first:])]
    return ops


@pytest.mark.parametrize("size", [1, 3, 512])
@pytest.mark.parametrize("seed", range(3))
async def test_it_comes_to_what_it_comes_to_unprepared(
    seed: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (columns, slices, store):
        monkeypatch.setattr(module, "SLICE", size)
    random, made, held = Random(seed), 0, 0
    async with new_store() as (one, first), new_store() as (other, second):
        for _ in range(150):
            request = TxnRequest(success=random_ops(random))
            if _names_a_key_twice_in_a_list(request):
                continue
            waiting = Made(other, Txn.of(request))
            for _ in range(random.choice((0, 0, 0, 1, 3))):
                key, value = random.choice([*KEYS, b"other"]), b"%d" % random.randrange(100)
                for changed in (one, other):
                    if changed.index.is_alive(key) and value < b"5":
                        delete(changed, key)
                    else:
                        put(changed, (key, value))
            made += waiting.is_made
            held += waiting.still_holds
            try:
                expected = reply_at_once(one, Txn.of(request))
            except EtcdError as error:
                with pytest.raises(type(error)):
                    waiting.reply()
                continue
            assert waiting.reply() == expected
            assert counted(one) == counted(other)
            assert one.attachments.leases == other.attachments.leases
            if random.random() < 0.1:
                await settle(first)
                await settle(second)
        assert found_in(one) == found_in(other)
        await settle(first)
        await settle(second)
        assert first.disk.key_rows == second.disk.key_rows
        assert list(first.disk.key_rows) == list(second.disk.key_rows)
    assert 50 < held <= made


def _names_a_key_twice_in_a_list(request: TxnRequest) -> bool:
    keys = [op.request_put.key for op in request.success if op.HasField("request_put")]
    nested = [op.request_txn for op in request.success if op.HasField("request_txn")]
    return len(set(keys)) < len(keys) or any(map(_names_a_key_twice_in_a_list, nested))


@pytest.mark.parametrize(
    "op",
    [
        set_(b"missing", b"", ignore_value=True),
        set_(b"missing", ignore_lease=True),
        set_(b"a", b"", ignore_value=True),
        set_(b"x"),
        remove(b"x"),
        remove(b"w", range_end=b"y"),
        remove(b"a", range_end=b"d"),
    ],
)
async def test_what_may_depend_on_each_other_is_not_made_before(
    op: RequestOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MOST_VALUE_BYTES", 100)
    monkeypatch.setattr(columns, "MOST_KEYS", 3)
    async with new_store() as (store, _):
        put(store, (b"a", bytes(101)), (b"b", b""), (b"c", b""))
        assert made_of(store, set_(b"x")) is not None
        assert made_of(store, set_(b"x"), inner(op)) is None


async def test_what_is_deleted_may_be_deleted_once_more() -> None:
    async with new_store() as (one, _), new_store() as (other, _):
        for store in (one, other):
            put(store, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
        again = [remove(b"a"), remove(b"a", range_end=b"c", prev_kv=True), remove(b"b")]
        request = TxnRequest(success=[*again, *again, set_(b"c")])
        waiting = Made(other, Txn.of(request))
        assert waiting.is_made
        assert waiting.reply() == reply_at_once(one, Txn.of(request))


async def test_columns_hold_until_one_of_their_keys_changes() -> None:
    async with new_store() as (store, _):
        put(store, (b"a", b"1"), (b"b", b"2"))
        ops = [
            set_(b"a"),
            remove(b"b"),
            remove(b"missing"),
            get(b"c"),
            remove(b"d", range_end=b"f"),
        ]
        for key, holds in (
            (b"c", True),
            (b"a", False),
            (b"b", False),
            (b"missing", False),
            (b"e", False),
            (b"f", True),
        ):
            made = made_of(store, *ops)
            assert made is not None
            assert made.still_hold(store)
            put(store, (key, b"3"))
            assert made.still_hold(store) == holds


async def test_they_do_not_hold_where_more_has_changed_than_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "MOST_CHANGES", 3)
    async with new_store() as (store, _):
        made = made_of(store, set_(b"a"))
        assert made is not None
        put(store, (b"b", b""), (b"c", b""), (b"d", b""))
        assert made.still_hold(store)
        put(store, (b"e", b""))
        assert not made.still_hold(store)
        made = made_of(store, set_(b"a"))
        assert made is not None
        put(store, (b"b", bytes(20_000)))
        assert not made.still_hold(store)


async def test_they_do_not_hold_where_changes_may_have_been_compacted() -> None:
    async with new_store() as (store, _):
        made = made_of(store, set_(b"a"))
        assert made is not None
        put(store, (b"b", b""))
        store.compact_revision = store.revision
        assert not made.still_hold(store)


async def test_histories_may_be_compacted_meanwhile() -> None:
    request = TxnRequest(
        success=[set_(b"a"), remove(b"b"), set_(b"c"), set_(b"d"), get(b"a", range_end=b"z")]
    )
    async with new_store() as (one, first), new_store() as (other, second):
        for store in (one, other):
            put(store, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
            put(store, (b"a", b"4"), (b"b", b"5"))
            delete(store, b"b", b"c")
            put(store, (b"b", b"6"))
        waiting = Made(other, Txn.of(request))
        revision = other.revision
        for key in (b"a", b"b", b"c"):
            forget_history(other, key, revision)
        assert waiting.still_holds
        assert waiting.reply() == reply_at_once(one, Txn.of(request))
        for seen in (revision, one.revision):
            found, again = (store.index.scan(b"", None, seen, 9)[0] for store in (one, other))
            assert found == again
            assert one.index.versions_at(found, seen) == other.index.versions_at(found, seen)
        await settle(first)
        await settle(second)
        assert first.disk.key_rows == second.disk.key_rows


def forget_history(store: Store, key: bytes, revision: int) -> None:
    """Forget what a compaction would, but for the rows, which are then those of the other store."""
    store.index.compact(key, revision, 100)
