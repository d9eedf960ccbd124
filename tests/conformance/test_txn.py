"""Transactions: validation, compares, what operations see, and which revisions come out."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import (
    ALL,
    EMPTY,
    EVERYTHING,
    Operation,
    compact,
    compare,
    delete,
    get,
    put,
    txn,
)
from tests.conformance.pair import Pair
from tests.conformance.store import Store

NO_LEASE = 99
UNKNOWN_SORT = get(b"a", sort_order=9)


def responses(reply: pb.TxnResponse) -> list[pb.RangeResponse]:
    return [response.response_range for response in reply.responses]


def test_an_empty_transaction_succeeds_and_bumps_nothing(store: Store) -> None:
    reply = store.send(txn()).reply
    assert (reply.succeeded, list(reply.responses)) == (True, [])
    assert reply.header.revision == store.rev(5)


def test_operations_see_earlier_ones_and_share_one_revision(store: Store) -> None:
    reply = store.send(
        txn(get(b"a"), put(b"d"), get(b"d"), delete(b"b"), delete(b"zz"), get(b"a", b"z"))
    ).reply
    inner = [getattr(r, r.WhichOneof("response") or "").header.revision for r in reply.responses]
    assert inner == [store.rev(n) for n in (5, 6, 6, 6, 6, 6)]
    assert reply.header.revision == store.rev(6)
    assert [kv.key for kv in responses(reply)[-1].kvs] == [b"a", b"c", b"d"]


def test_replies_inside_have_only_the_revision_in_their_header(store: Store) -> None:
    reply = store.send(txn(get(b"a"), txn(get(b"a")))).reply
    assert reply.responses[0].response_range.header == pb.ResponseHeader(revision=store.rev(5))
    nested = reply.responses[1].response_txn
    assert nested.HasField("header")
    assert nested.header == pb.ResponseHeader()
    assert nested.responses[0].response_range.header.revision == store.rev(5)


def test_previous_keys_are_those_the_operation_found(store: Store) -> None:
    reply = store.send(
        txn(delete(b"a", prev_kv=True), txn(put(b"b", b"x", prev_kv=True)), get(*EVERYTHING))
    ).reply
    assert reply.responses[0].response_delete_range.prev_kvs[0].value == b"9"
    inner = reply.responses[1].response_txn.responses[0].response_put
    assert inner.prev_kv.value == b"2"


def test_a_delete_takes_the_new_revision_only_once_something_changed(store: Store) -> None:
    store.send(txn(delete(b"zz"), get(b"a"), delete(b"a"), delete(b"zz"), get(b"a")))
    store.send(txn(delete(b"zz"), delete(b"yy"), get(b"a")))
    assert store.head() == 6


def test_changes_are_numbered_in_order_within_the_revision(store: Store) -> None:
    store.send(txn(put(b"z"), put(b"y"), delete(b"a", b"c"), put(b"x"), txn(put(b"w"))))
    store.send(get(*EVERYTHING, sort_order="ASCEND", sort_target="MOD"))


# -------------------- the chosen path is checked before anything is written


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (put(b"y", lease=NO_LEASE), errors.LEASE_NOT_FOUND),
        (put(b"y", ignore_value=True), errors.KEY_NOT_FOUND),
        (put(b"y", ignore_lease=True), errors.KEY_NOT_FOUND),
        (put(b"y", ignore_value=True, lease=NO_LEASE), errors.LEASE_NOT_FOUND),
        (get(b"x", revision=2**62), errors.FUTURE),
    ],
)
def test_a_failed_check_undoes_everything(
    store: Store, wrong: pb.PutRequest | pb.RangeRequest, error: tuple[str, str]
) -> None:
    nowhere = [compare(b"a", "VERSION", "EQUAL", version=0)]
    assert store.error(txn(put(b"x"), wrong)) == error
    assert store.error(txn(put(b"x"), txn(wrong))) == error
    assert store.error(txn(put(b"x"), txn(txn(when=nowhere, otherwise=[wrong])))) == error
    assert store.error(txn(when=nowhere, otherwise=[put(b"x"), wrong])) == error
    assert store.send(get(b"x")).reply.count == 0
    assert store.head() == 5
    # The same in the branch that is not taken is no mistake.
    assert store.error(txn(put(b"x"), otherwise=[wrong])) is None
    assert store.error(txn(txn(otherwise=[wrong]))) is None
    assert store.error(txn(wrong, when=nowhere)) is None


def test_a_range_may_not_read_the_revision_the_transaction_makes(store: Store) -> None:
    assert store.error(txn(put(b"x"), get(b"x", revision=store.rev(6)))) == errors.FUTURE
    assert store.send(get(b"x")).reply.count == 0
    store.send(txn(put(b"a", b"10"), get(b"a", revision=store.rev(5)), get(b"a", revision=0)))


def test_a_read_inside_may_be_at_the_compacted_revision(store: Store) -> None:
    store.send(compact(store.rev(3)))
    assert store.error(txn(get(b"a", revision=store.rev(3)))) is None
    assert store.error(txn(get(b"a", revision=store.rev(2)))) == errors.COMPACTED
    assert store.error(txn(get(b"a", revision=-1))) == errors.COMPACTED


def test_ignore_value_asks_for_the_key_before_the_transaction(store: Store) -> None:
    nested_put = txn(txn(put(b"x", b"1")), txn(put(b"y", ignore_value=True)))
    assert store.error(nested_put) == errors.KEY_NOT_FOUND
    store.send(txn(put(b"a", ignore_value=True), put(b"b", b"new", ignore_lease=True)))
    store.send(get(*EVERYTHING))


def test_on_a_new_store_minus_one_is_not_compacted(fresh: Pair) -> None:
    store = Store(fresh)
    assert store.error(txn(get(b"a", revision=-1))) is None
    assert store.error(txn(get(b"a", revision=-2))) == errors.COMPACTED
    assert store.error(txn(put(b"x"), get(b"a", revision=-2))) == errors.COMPACTED
    assert store.error(txn(txn(get(b"a", revision=-(2**63))))) == errors.COMPACTED
    store.send(compact(0))
    assert store.error(txn(get(b"a", revision=-1))) == errors.COMPACTED
    assert store.error(txn(get(b"a", revision=0))) is None
    store.send(compact(3))
    assert store.error(txn(get(b"a", revision=-1))) == errors.COMPACTED


def test_the_chosen_path_is_checked_in_order_and_leases_before_keys(store: Store) -> None:
    future = get(b"a", revision=store.rev(6))
    no_lease = put(b"y", lease=NO_LEASE)
    no_key = put(b"z", ignore_value=True)
    wrong: tuple[Operation, ...] = (future, no_lease, no_key)
    for first, second in product(wrong, repeat=2):
        store.send(txn(first, second))
        store.send(txn(txn(first), second))
        store.send(txn(first, txn(second)))
        store.send(txn(get(b"a"), first, otherwise=[second]))
    both = put(b"x", ignore_value=True, lease=NO_LEASE)
    assert store.error(txn(future, no_lease)) == errors.FUTURE
    assert store.error(txn(txn(both))) == errors.LEASE_NOT_FOUND
    assert store.head() == 5


# -------------------- compares


def holds(store: Store, *when: pb.Compare) -> bool:
    succeeded: bool = store.send(txn(when=when)).reply.succeeded
    return succeeded


def test_a_missing_key_has_no_value_to_compare(store: Store) -> None:
    for result in ("EQUAL", "NOT_EQUAL", "GREATER", "LESS"):
        for value in (b"", b"x"):
            assert not holds(store, compare(b"x", "VALUE", result, value=value))
            assert not holds(store, compare(b"x", "VALUE", result, end=b"y", value=value))


def test_a_missing_key_has_zeros_otherwise(store: Store) -> None:
    assert holds(store, compare(b"x", "VERSION", "EQUAL", version=0))
    assert holds(store, compare(b"x", "CREATE", "EQUAL", create_revision=0))
    assert holds(store, compare(b"x", "MOD", "LESS", mod_revision=1))
    assert holds(store, compare(b"x", "LEASE", "EQUAL", lease=0))
    assert holds(store, compare(b"x", "VERSION", "EQUAL", end=ALL, version=0))
    assert holds(store, compare(b"c", "VERSION", "EQUAL", end=b"a", version=0))


def test_every_key_of_a_range_must_satisfy_the_compare(store: Store) -> None:
    assert holds(store, compare(b"a", "VERSION", "GREATER", end=b"z", version=0))
    below = compare(b"a", "CREATE", "LESS", end=b"z", create_revision=store.rev(4))
    assert not holds(store, below)
    assert holds(store, compare(*EVERYTHING[:1], "VALUE", "NOT_EQUAL", end=ALL, value=b"x"))


def test_each_result_of_each_target(store: Store) -> None:
    operands: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("VERSION", "version", (0, 1, 2, 3, -1, 2**63 - 1)),
        ("CREATE", "create_revision", (0, store.rev(1), store.rev(2), store.rev(3))),
        ("MOD", "mod_revision", (0, store.rev(4), store.rev(5), store.rev(6), -(2**63))),
        ("VALUE", "value", (b"", b"8", b"9", b"90", b"\xff")),
        ("LEASE", "lease", (0, 1, -1)),
    )
    for target, field, values in operands:
        for value, result, key in product(values, range(-1, 6), (b"a", b"nope")):
            operand: dict[str, Any] = {field: value}
            holds(store, compare(key, target, result, **operand))
        for result in range(5):
            holds(store, compare(b"a", target, result))
            holds(store, compare(b"a", target, result, end=b"c"))


def test_an_unknown_result_is_true_and_an_unknown_target_equal(store: Store) -> None:
    assert holds(store, compare(b"a", "VERSION", 9, version=77))
    assert holds(store, compare(b"a", 9, "EQUAL", version=77))
    assert not holds(store, compare(b"a", 9, "NOT_EQUAL", version=77))
    assert not holds(store, compare(b"a", 9, "LESS"))
    for key in (b"a", b"nope"):
        for target, result in product((5, 9, -1, 2**31 - 1), (0, 1, 2, 3, 9)):
            holds(store, compare(key, target, result, version=77))


def test_an_operand_of_another_kind_is_zero(store: Store) -> None:
    operands: tuple[dict[str, Any], ...] = (
        {"version": 2},
        {"create_revision": store.rev(2)},
        {"mod_revision": store.rev(5)},
        {"value": b"9"},
        {"lease": 0},
        {},
    )
    for target, operand, result in product(range(5), operands, range(4)):
        holds(store, compare(b"a", target, result, **operand))
        holds(store, compare(b"nope", target, result, **operand))
    store.send(put(b"a", b""))
    for operand, result in product(operands, range(4)):
        holds(store, compare(b"a", "VALUE", result, **operand))


def test_all_compares_must_hold(store: Store) -> None:
    right = compare(b"a", "VERSION", "EQUAL", version=2)
    wrong = compare(b"a", "VERSION", "EQUAL", version=3)
    assert holds(store, right, right)
    assert not holds(store, right, wrong)
    assert not holds(store, wrong, right)


def test_nested_compares_read_the_state_before_the_transaction(store: Store) -> None:
    is_there = [compare(b"q", "VERSION", "GREATER", version=0)]
    inner = txn(put(b"r", b"y"), when=is_there, otherwise=[put(b"r", b"n")])
    reply = store.send(txn(put(b"q"), inner)).reply
    assert not reply.responses[1].response_txn.succeeded
    assert store.send(get(b"r")).reply.kvs[0].value == b"n"


def test_a_transaction_that_only_reads_bumps_nothing(store: Store) -> None:
    reply = store.send(txn(txn(get(b"a")))).reply
    assert reply.header.revision == store.rev(5)
    assert store.head() == 5


# -------------------- validation


def test_up_to_128_operations(store: Store) -> None:
    def puts(count: int, prefix: bytes = b"k") -> list[pb.PutRequest]:
        return [put(prefix + b"%d" % i) for i in range(count)]

    def compares(count: int) -> list[pb.Compare]:
        return [compare(b"a", "VERSION", "GREATER")] * count

    assert store.error(txn(*puts(128))) is None
    assert store.error(txn(*puts(129))) == errors.TOO_MANY_OPS
    assert store.error(txn(otherwise=puts(129))) == errors.TOO_MANY_OPS
    assert store.error(txn(*puts(128), otherwise=puts(128))) is None
    assert store.error(txn(when=compares(128))) is None
    assert store.error(txn(when=compares(129))) == errors.TOO_MANY_OPS
    assert store.error(txn(*[put(b"")] * 129)) == errors.TOO_MANY_OPS
    assert store.error(txn(when=[compare(b"", "VERSION", "EQUAL")] * 129)) == errors.TOO_MANY_OPS
    assert store.error(txn(txn(*puts(127)))) is None
    assert store.error(txn(txn(*puts(128)))) == errors.TOO_MANY_OPS
    assert store.error(txn(otherwise=[txn(otherwise=puts(128))])) == errors.TOO_MANY_OPS
    assert store.error(txn(txn(when=compares(128)))) == errors.TOO_MANY_OPS
    assert store.error(txn(*(txn(*puts(64, b"%d." % n)) for n in range(64)))) is None
    assert store.error(txn(*(txn(*puts(65, b"%d." % n)) for n in range(64)))) == (
        errors.TOO_MANY_OPS
    )


def test_the_count_is_looked_at_before_the_keys_of_its_level_only(store: Store) -> None:
    too_many = txn(*[get(b"a")] * 128)
    assert store.error(txn(put(b""), too_many)) == errors.NO_KEY
    assert store.error(txn(too_many, put(b""))) == errors.TOO_MANY_OPS
    empty_compare = [compare(b"", "VERSION", "EQUAL")]
    assert store.error(txn(too_many, when=empty_compare)) == errors.NO_KEY


WRONG: tuple[tuple[Operation, tuple[str, str]], ...] = (
    (put(b""), errors.NO_KEY),
    (delete(b""), errors.NO_KEY),
    (get(b""), errors.NO_KEY),
    (UNKNOWN_SORT, errors.INVALID_SORT),
    (EMPTY, errors.KEY_NOT_FOUND),
    (put(b"a", b"v", ignore_value=True), errors.VALUE_PROVIDED),
    (put(b"a", lease=1, ignore_lease=True), errors.LEASE_PROVIDED),
    (txn(when=[compare(b"", "VERSION", "EQUAL")]), errors.NO_KEY),
    (txn(put(b"k"), put(b"k")), errors.DUPLICATE_KEY),
    (txn(txn(EMPTY)), errors.KEY_NOT_FOUND),
)


@pytest.mark.parametrize("position", range(len(WRONG)))
def test_operations_are_checked_in_order_in_both_branches(store: Store, position: int) -> None:
    wrong, error = WRONG[position]
    assert store.error(txn(put(b"x"), wrong)) == error
    assert store.error(txn(put(b"x"), otherwise=[wrong])) == error
    for other, _ in WRONG:
        store.send(txn(wrong, other))
        store.send(txn(wrong, otherwise=[other]))
        store.send(txn(txn(wrong), other))
        store.send(txn(wrong, when=[compare(b"", "VERSION", "EQUAL")]))
    assert store.send(get(b"x")).reply.count == 0
    assert store.head() == 5


# -------------------- duplicate keys

K = put(b"k")


@pytest.mark.parametrize(
    "clash",
    [
        [K, K],
        [K, delete(b"k")],
        [delete(b"k"), K],
        [K, delete(b"a", b"z")],
        [K, delete(b"k", b"k\0")],
        [K, delete(ALL, b"z")],
        [txn(K), K],
        [K, txn(K)],
        [txn(K), txn(K)],
        [txn(txn(K)), K],
        [txn(otherwise=[K]), K],
        [txn(otherwise=[K]), txn(K)],
        [txn(K), txn(otherwise=[K])],
        [txn(delete(b"k")), txn(K)],
        [txn(delete(b"k")), K],
        [txn(otherwise=[delete(b"a", b"z")]), txn(K)],
        [txn(K), delete(b"k")],
        [delete(b"k"), txn(K)],
        [txn(K, K)],
        [txn(txn(K), txn(K))],
        [txn(txn(K), otherwise=[txn(K)]), K],
    ],
    ids=lambda clash: f"{len(clash)}",
)
def test_a_key_may_not_be_put_twice_nor_put_and_deleted(
    store: Store, clash: list[Operation]
) -> None:
    assert store.error(txn(*clash)) == errors.DUPLICATE_KEY
    assert store.error(txn(otherwise=clash)) == errors.DUPLICATE_KEY
    assert store.error(txn(txn(*clash))) == errors.DUPLICATE_KEY
    assert store.head() == 5


@pytest.mark.parametrize(
    ("allowed", "left"),
    [
        ([K, delete(b"j", b"k")], 1),
        ([K, delete(b"k\0")], 1),
        ([K, delete(b"z", b"a")], 1),
        ([K, delete(b"j", ALL)], 0),
        ([K, delete(b"k", ALL)], 0),
        ([delete(b"j", ALL), K], 1),
        ([delete(b"k"), delete(b"k")], 0),
        ([K, get(b"k"), get(b"a", b"z")], 1),
        ([txn(K), txn(delete(b"k"))], 0),
        ([txn(K), txn(delete(b"a", b"z"))], 0),
        ([txn(K, otherwise=[K])], 1),
        ([txn(txn(K), otherwise=[txn(K)])], 1),
        ([txn(K, otherwise=[delete(b"k")])], 1),
        ([txn(txn(K), txn(delete(b"k")))], 0),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_what_is_no_duplicate(store: Store, allowed: list[Operation], left: int) -> None:
    store.send(put(b"k", b"before"))
    reply = store.send(txn(*allowed)).reply
    assert store.send(get(b"k")).reply.count == left
    assert store.send(txn(otherwise=allowed)).error is None
    kvs = store.send(get(b"k")).reply.kvs
    assert all(kv.mod_revision == reply.header.revision for kv in kvs)


def test_a_key_deleted_and_put_in_one_transaction_begins_anew(store: Store) -> None:
    revision = store.send(txn(delete(b"a", ALL), put(b"a", b"new"))).reply.header.revision
    kv = store.send(get(b"a")).reply.kvs[0]
    assert (kv.create_revision, kv.mod_revision, kv.version) == (revision, revision, 1)


def test_then_and_else_of_one_transaction_may_put_one_key_but_not_delete_it_first(
    store: Store,
) -> None:
    # Whether a branch's deletes meet the other's puts depends on which is which.
    choices: tuple[Operation, ...] = (K, delete(b"k"), delete(b"a", b"z"), get(b"k"))
    for then, otherwise in product(choices, repeat=2):
        store.send(txn(txn(then, otherwise=[otherwise])))
        store.send(txn(txn(txn(then), otherwise=[txn(otherwise)])))
        for third in (*choices, txn(K), txn(delete(b"k"))):
            store.send(txn(txn(then, otherwise=[otherwise]), third))
            store.send(txn(third, txn(then, otherwise=[otherwise])))
    store.send(get(*EVERYTHING))
