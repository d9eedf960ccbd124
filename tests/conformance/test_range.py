"""Range: which keys, at which revision, filtered, sorted and cut how."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import ALL, EVERYTHING, compact, delete, get, put
from tests.conformance.peers import METHODS, Call, Outcome
from tests.conformance.store import Store

A_TO_Z = (b"a", b"z")

ORDERS = range(3)
TARGETS = range(5)
UNKNOWN = (7, -1, 2**31 - 1, -(2**31))


def keys(outcome: Outcome) -> list[bytes]:
    return [kv.key for kv in outcome.reply.kvs]


def test_a_key_must_be_given(store: Store) -> None:
    assert store.error(get(b"")) == errors.NO_KEY
    assert store.error(get(b"", ALL)) == errors.NO_KEY


@pytest.mark.parametrize("value", UNKNOWN)
def test_sort_options_must_be_known(store: Store, value: int) -> None:
    assert store.error(get(b"a", sort_order=value)) == errors.INVALID_SORT
    assert store.error(get(b"a", sort_target=value)) == errors.INVALID_SORT


def test_the_key_is_looked_at_before_the_sort_options_and_these_before_the_revision(
    store: Store,
) -> None:
    future = store.rev(1000)
    assert store.error(get(b"", sort_order=7, revision=future)) == errors.NO_KEY
    assert store.error(get(b"a", sort_order=7, revision=future)) == errors.INVALID_SORT
    assert store.error(get(b"a", sort_target=7, revision=future)) == errors.INVALID_SORT


def test_a_future_revision_is_refused_and_a_negative_one_is_the_current(store: Store) -> None:
    assert store.error(get(b"a", revision=store.rev(6))) == errors.FUTURE
    assert store.error(get(b"a", revision=2**63 - 1)) == errors.FUTURE
    assert store.send(get(b"a", revision=-1)).reply.kvs[0].value == b"9"
    assert store.send(get(b"a", revision=-(2**63))).reply.kvs[0].value == b"9"
    assert store.error(get(b"a", revision=store.rev(6), count_only=True)) == errors.FUTURE


def test_an_old_revision_shows_what_was_then_under_the_current_header(store: Store) -> None:
    old = store.send(get(b"a", revision=store.rev(2))).reply
    assert (old.kvs[0].value, old.kvs[0].version) == (b"1", 1)
    assert old.header.revision == store.rev(5)


def test_nothing_is_there_before_the_first_put(store: Store) -> None:
    empty = store.send(get(b"a", revision=store.rev(1))).reply
    assert (list(empty.kvs), empty.count, empty.header.revision) == ([], 0, store.rev(5))


def test_every_revision_of_every_range(store: Store) -> None:
    store.send(delete(b"b"))
    store.send(put(b"b", b"again"))
    for number in range(1, 8):
        for request in (get(b"a"), get(b"b"), get(b"b", b"c"), get(*EVERYTHING), get(b"b", ALL)):
            request.revision = store.rev(number)
            store.send(request)
            request.count_only = True
            store.send(request)


@pytest.mark.parametrize(("first", "end"), [(b"c", b"a"), (b"c", b"c"), (b"b", b"a\xff")])
def test_an_inverted_range_is_empty(store: Store, first: bytes, end: bytes) -> None:
    assert store.send(get(first, end)).reply.count == 0


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [
        (ALL, ALL, [b"a", b"b", b"c"]),
        (b"b", ALL, [b"b", b"c"]),
        (b"bb", ALL, [b"c"]),
        (b"d", ALL, []),
        (b"a", b"b", [b"a"]),
        (b"a", b"b\0", [b"a", b"b"]),
        (b"\0", b"\0\0", []),
        (b"a", b"\0\0", []),
        (b"\0", b"\xff", [b"a", b"b", b"c"]),
    ],
)
def test_a_range_is_half_open_and_a_zero_byte_ends_it_nowhere(
    store: Store, first: bytes, end: bytes, expected: list[bytes]
) -> None:
    assert keys(store.send(get(first, end))) == expected


def test_an_end_that_is_encoded_but_empty_is_no_end(store: Store) -> None:
    request = Call(METHODS[pb.RangeRequest], b"\x0a\x01a\x12\x00")
    assert keys(store.send(request)) == [b"a"]


@pytest.mark.parametrize(
    ("limit", "expected", "more"),
    [
        (0, [b"a", b"b", b"c"], False),
        (1, [b"a"], True),
        (2, [b"a", b"b"], True),
        (3, [b"a", b"b", b"c"], False),
        (2**63 - 1, [b"a", b"b", b"c"], False),
        (-1, [b"a", b"b", b"c"], False),
        (-(2**63), [b"a", b"b", b"c"], False),
    ],
)
def test_limit_cuts_the_keys_but_not_the_count(
    store: Store, limit: int, expected: list[bytes], more: bool
) -> None:
    reply = store.send(get(*A_TO_Z, limit=limit)).reply
    assert ([kv.key for kv in reply.kvs], reply.more, reply.count) == (expected, more, 3)


def test_count_only_ignores_limit_and_filters(store: Store) -> None:
    request = get(*A_TO_Z, count_only=True, limit=2, min_mod_revision=store.rev(6))
    reply = store.send(request).reply
    assert (reply.count, list(reply.kvs), reply.more) == (3, [], False)


def test_filters_are_applied_before_the_limit_and_do_not_change_the_count(store: Store) -> None:
    reply = store.send(get(*A_TO_Z, min_mod_revision=store.rev(4), limit=1)).reply
    assert ([kv.key for kv in reply.kvs], reply.more, reply.count) == ([b"a"], True, 3)


def test_a_negative_bound_is_a_bound(store: Store) -> None:
    reply = store.send(get(*A_TO_Z, max_mod_revision=-1)).reply
    assert (list(reply.kvs), reply.count) == ([], 3)
    assert keys(store.send(get(*A_TO_Z, min_mod_revision=-1))) == [b"a", b"b", b"c"]
    assert keys(store.send(get(*A_TO_Z, max_create_revision=-(2**63)))) == []


@pytest.mark.parametrize(
    "bound",
    ["min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"],
)
def test_each_filter_at_each_revision(store: Store, bound: str) -> None:
    for number in range(1, 7):
        for limit in (0, 1, 2):
            request = get(*A_TO_Z, limit=limit)
            setattr(request, bound, store.rev(number))
            store.send(request)
    store.send(get(*A_TO_Z, min_mod_revision=store.rev(4), max_create_revision=store.rev(3)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("order", ORDERS)
def test_each_order_of_each_target_with_each_option(store: Store, order: int, target: int) -> None:
    for limit in (-1, 0, 1, 2, 3):
        for keys_only in (False, True):
            for bound in (0, store.rev(4)):
                store.send(
                    get(
                        *A_TO_Z,
                        sort_order=order,
                        sort_target=target,
                        limit=limit,
                        keys_only=keys_only,
                        min_mod_revision=bound,
                    )
                )


def test_a_target_without_an_order_sorts_what_the_limit_let_through(store: Store) -> None:
    two = store.send(get(*A_TO_Z, limit=2, sort_target="MOD", sort_order="NONE"))
    one = store.send(get(*A_TO_Z, limit=1, sort_target="MOD", sort_order="NONE"))
    assert (keys(two), keys(one)) == ([b"b", b"c"], [b"b"])
    assert two.reply.more
    assert one.reply.more


def test_descending_keys(store: Store) -> None:
    outcome = store.send(get(*A_TO_Z, sort_order="DESCEND", limit=1))
    assert keys(outcome) == [b"c"]
    assert outcome.reply.more


def test_equals_stay_in_key_order_also_when_descending(store: Store) -> None:
    outcome = store.send(get(*A_TO_Z, sort_order="DESCEND", sort_target="VERSION"))
    assert keys(outcome) == [b"a", b"b", b"c"]
    for key in (b"d", b"e", b"f", b"g", b"h"):
        store.send(put(key, b"same"))
    for order in ORDERS:
        for target in ("VALUE", "VERSION"):
            store.send(get(*A_TO_Z, sort_order=order, sort_target=target))


def test_keys_only_sorts_by_the_values_it_leaves_out(store: Store) -> None:
    reply = store.send(get(*A_TO_Z, keys_only=True, sort_target="VALUE", sort_order="ASCEND")).reply
    assert [(kv.key, kv.value) for kv in reply.kvs] == [(b"b", b""), (b"c", b""), (b"a", b"")]


def test_keys_only_at_an_old_revision_and_with_count_only(store: Store) -> None:
    store.send(get(*A_TO_Z, keys_only=True, revision=store.rev(3)))
    assert not store.send(get(*A_TO_Z, keys_only=True, count_only=True)).reply.kvs


@pytest.mark.needs("Lease/LeaseGrant")
def test_keys_only_knows_the_lease_only_if_it_reads_the_values(store: Store) -> None:
    lease = store.send(pb.LeaseGrantRequest(ID=16, TTL=600)).reply.ID
    store.send(put(b"k", b"v", lease=lease))
    assert store.send(get(b"k")).reply.kvs[0].lease == lease
    assert store.send(get(b"k", keys_only=True)).reply.kvs[0].lease == 0
    for order in ORDERS:
        by_value = get(b"k", keys_only=True, sort_target="VALUE", sort_order=order)
        assert store.send(by_value).reply.kvs[0].lease == lease
    store.send(pb.LeaseRevokeRequest(ID=lease))


def test_a_serializable_read_answers_the_same(store: Store) -> None:
    assert keys(store.send(get(*A_TO_Z, serializable=True))) == [b"a", b"b", b"c"]
    assert store.error(get(b"", serializable=True)) == errors.NO_KEY
    assert store.error(get(b"a", serializable=True, revision=store.rev(6))) == errors.FUTURE


def test_a_read_may_be_at_the_compacted_revision_but_not_before(store: Store) -> None:
    store.send(compact(store.rev(4)))
    for count_only in (False, True):
        before = get(*A_TO_Z, revision=store.rev(3), count_only=count_only)
        assert store.error(before) == errors.COMPACTED
        at = get(*A_TO_Z, revision=store.rev(4), count_only=count_only)
        assert store.send(at).reply.count == 3


def test_an_empty_value_and_a_binary_key(store: Store) -> None:
    for key in (b"\0", b"\0\0", b"\xff", b"\xff\xff", b"a\0", bytes(range(256)), b"k" * 40_000):
        store.send(put(key))
        store.send(get(key))
        store.send(get(*EVERYTHING))
