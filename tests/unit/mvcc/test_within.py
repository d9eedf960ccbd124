"""What a transaction reads when it is done is what it would have read on its way."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.cooperative import finish
from etcdpy.errors import DuplicateKeyError, EtcdError
from etcdpy.mvcc import index, liveness, slices, within
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn import apply_txn, encode_result
from etcdpy.mvcc.txn_request import PUT, TXN, Txn
from etcdpy.mvcc.within import Later
from etcdpy.node.checks import check_txn
from etcdpy.pb.rpc_pb2 import TxnRequest
from tests.model.requests import KEYS, Requests
from tests.unit.mvcc.stores import counted, delete, new_store, put, settle
from tests.unit.mvcc.test_short_txn import HEADERS, get, lease_exists, remove, set_


def reply_at_once(store: Store, request: Txn) -> bytes:
    write = store.begin()
    result = finish(apply_txn(store, write, request, lease_exists))
    write.commit()
    return bytes(finish(encode_result(HEADERS.at(result.revision), result)))


class Done:
    """A transaction that is done, and of which nothing was read yet."""

    def __init__(self, store: Store, request: Txn) -> None:
        write = store.begin()
        self._later = Later(store)
        result = apply_txn(store, write, request, lease_exists, later=self._later)
        self._result = finish(result)
        write.commit()

    @property
    def oldest(self) -> int:
        return self._later.oldest

    def reply(self) -> bytes:
        header = HEADERS.at(self._result.revision)
        return bytes(finish(encode_result(header, self._result, self._later)))


def write_something(store: Store, random: Random) -> None:
    key = random.choice(KEYS)
    if store.index.is_alive(key) and random.random() < 0.5:
        delete(store, key)
    else:
        put(store, (key, b"%d" % random.randrange(100)))


def can_be_applied(request: Txn) -> bool:
    """Tell whether a request may come so far, or would if it did not name a key twice."""
    try:
        check_txn(request, max_ops=128)
    except DuplicateKeyError:
        return not puts_one_key_twice(request)
    except EtcdError:
        return False
    return True


def puts_one_key_twice(request: Txn) -> bool:
    """Tell whether one of its lists does."""
    for ops in (request.success, request.failure):
        keys = [op.key for kind, op in ops if kind == PUT]
        if len(set(keys)) < len(keys):
            return True
        if any(puts_one_key_twice(op) for kind, op in ops if kind == TXN):
            return True
    return False


@pytest.mark.parametrize("limit", [1, 3, 64])
@pytest.mark.parametrize("seed", range(3))
async def test_it_reads_what_it_would_have_read_before(
    seed: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE", limit)
    monkeypatch.setattr(index, "FEW", limit)
    monkeypatch.setattr(within, "FEW", limit)
    monkeypatch.setattr(liveness, "BLOCK", 2)
    monkeypatch.setattr(liveness, "LOG_LENGTH", 8 * limit)
    random, read_later = Random(seed), 0
    requests = Requests(random)
    async with new_store() as (one, one_log), new_store() as (other, other_log):
        for _ in range(150):
            requests.revision = one.revision
            request = Txn.of(requests.txn())
            if not can_be_applied(request):
                continue
            try:
                expected = reply_at_once(one, request)
            except EtcdError as error:
                with pytest.raises(type(error)):
                    Done(other, request)
                continue
            done = Done(other, request)
            read_later += bool(done.oldest)
            for _ in range(random.choice((0, 0, 1, 8))):
                number = random.random()
                write_something(one, Random(number))
                write_something(other, Random(number))
            if random.random() < 0.3:
                await settle(one_log)
                await settle(other_log)
            assert done.reply() == expected
            assert counted(one) == counted(other)
        await settle(one_log)
        await settle(other_log)
        assert one_log.disk.key_rows == other_log.disk.key_rows
    assert read_later > 30


async def test_it_has_to_be_pinned_to_what_it_reads() -> None:
    async with new_store() as (store, _):
        put(store, (b"a", b"1"))
        put(store, (b"a", b"2"))
        assert not Done(store, Txn.of(TxnRequest(success=[set_(b"b")]))).oldest
        assert Done(store, Txn.of(TxnRequest(success=[set_(b"b"), get(b"a")]))).oldest == 4
        old = get(b"a", revision=2)
        assert Done(store, Txn.of(TxnRequest(success=[set_(b"b"), get(b"a"), old]))).oldest == 2


async def test_one_that_changes_nothing_reads_nothing_of_the_one_behind_it() -> None:
    async with new_store() as (store, _):
        put(store, (b"a", b"1"))
        request = TxnRequest(success=[remove(b"b"), get(b"a"), get(b"\0", range_end=b"\0")])
        done = Done(store, Txn.of(request))
        expected = reply_at_once(store, Txn.of(request))
        put(store, (b"a", b"2"), (b"c", b"3"))
        assert done.reply() == expected


def among_many_new(*, limit: int = 0) -> Txn:
    """Return a transaction that reads all in front of, between and behind a hundred puts."""
    read = get(b"k", range_end=b"l", limit=limit)
    count = get(b"k", range_end=b"l", count_only=True)
    ops = [read, count]
    for number in range(100):
        ops.append(set_(b"k%03d" % number))
        if number % 30 == 0:
            ops += [read, count]
    ops += [remove(b"k150", range_end=b"k160", prev_kv=True), read, count]
    ops += [set_(b"k150"), read]
    return Txn.of(TxnRequest(success=ops))


@pytest.mark.parametrize("limit", [0, 1, 7])
@pytest.mark.parametrize("few", [1, 64])
async def test_those_who_are_not_there_yet_are_in_nobodys_way(
    limit: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within, "FEW", few)
    async with new_store() as (one, _), new_store() as (other, _):
        for store in (one, other):
            put(store, *((b"k%03d" % number, b"old") for number in range(100, 200)))
        expected = reply_at_once(one, among_many_new(limit=limit))
        done = Done(other, among_many_new(limit=limit))
        # Some of those who were put are gone, and others have come in between.
        delete(other, b"k000", b"k001", b"k050", b"k170")
        put(other, (b"k0005", b""), (b"k0505", b""), (b"k1", b""))
        assert done.reply() == expected


async def test_a_long_run_of_them_is_passed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within, "FEW", 1)
    async with new_store() as (store, _):
        put(store, (b"z", b""))
        before = store.revision
        put(store, *((b"k%03d" % number, b"") for number in range(500)))
        view = within.StoreWithin(store, before + 1).within
        finish(view.look_through(500))
        assert view.scan(b"k", None, before + 1, 1) == ([], b"k499\0")
        assert view.scan(b"k499\0", None, before + 1, 1) == ([b"z"], b"z\0")
        finish(view.go_to(250))
        assert view.scan(b"k250", None, before + 1, 1) == ([], b"k499\0")
        assert view.count(b"k", None, before + 1) == 251
