"""RangeStream: a Range reply in pieces."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import EVERYTHING, compact, get, put, txn
from tests.conformance.store import Store

A_TO_Z = (b"a", b"z")
FILTERS = ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision")


def test_one_message_ends_with_header_count_and_more(store: Store) -> None:
    (message,) = store.stream(get(*A_TO_Z, limit=2)).replies
    reply = message.range_response
    assert ([kv.key for kv in reply.kvs], reply.more, reply.count) == ([b"a", b"b"], True, 3)
    assert reply.header.revision == store.rev(5)


def test_nothing_and_a_count_are_one_message(store: Store) -> None:
    (nothing,) = store.stream(get(b"x")).replies
    assert nothing.range_response.HasField("header")
    (count,) = store.stream(get(*A_TO_Z, count_only=True, limit=1)).replies
    assert (count.range_response.count, len(count.range_response.kvs)) == (3, 0)


def test_other_orders_are_unimplemented_but_a_key_is_needed_first(store: Store) -> None:
    assert store.stream(get(*A_TO_Z, sort_order="DESCEND")).error == errors.STREAM_SORT
    assert store.stream(get(b"", sort_order="DESCEND")).error == errors.NO_KEY
    assert store.stream(get(b"a", sort_order=7)).error == errors.INVALID_SORT
    assert store.stream(get(b"a", sort_target=7)).error == errors.INVALID_SORT
    by_mod = get(*A_TO_Z, sort_order="ASCEND", sort_target="MOD")
    assert store.stream(by_mod).error == errors.STREAM_SORT
    assert store.stream(get(*A_TO_Z, sort_order="ASCEND")).error is None


@pytest.mark.parametrize("target", pb.RangeRequest.SortTarget.keys())
def test_a_target_without_an_order_sorts_as_a_range_does(store: Store, target: str) -> None:
    for number in range(60):
        store.send(put(b"k%02d" % (number * 7 % 60), b"%02d" % (number * 11 % 60)))
    for options in ({}, {"limit": 25}, {"limit": 60}, {"limit": -1}, {"keys_only": True}):
        request = get(b"k", b"l", sort_target=target, **options)
        messages = store.stream(request).replies
        keys = [kv.key for message in messages for kv in message.range_response.kvs]
        assert keys == [kv.key for kv in store.send(request).reply.kvs]
        assert len(set(keys)) == request.limit if request.limit > 0 else 60


@pytest.mark.parametrize("bound", FILTERS)
def test_filters_are_unimplemented(store: Store, bound: str) -> None:
    request = get(*A_TO_Z)
    for value in (1, -1):
        setattr(request, bound, value)
        assert store.stream(request).error == errors.STREAM_FILTER
    request.sort_order = pb.RangeRequest.DESCEND
    assert store.stream(request).error == errors.STREAM_SORT


def test_unimplemented_comes_before_the_revision(store: Store) -> None:
    future = get(*A_TO_Z, revision=store.rev(6))
    assert store.stream(future).error == errors.FUTURE
    future.min_mod_revision = 1
    assert store.stream(future).error == errors.STREAM_FILTER
    store.send(compact(store.rev(4)))
    assert store.stream(get(*A_TO_Z, revision=store.rev(3))).error == errors.COMPACTED


def test_small_chunks_double(store: Store) -> None:
    for start in range(0, 200, 100):
        store.send(txn(*(put(b"k%03d" % i, b"v") for i in range(start, start + 100))))
    messages = store.stream(get(b"k", b"l")).replies
    sizes = [len(message.range_response.kvs) for message in messages]
    assert sizes == [10, 20, 40, 80, 50]
    assert [m.range_response.HasField("header") for m in messages] == [False] * 4 + [True]
    for limit in (1, 9, 10, 11, 30, 31, 199, 200, 201, -1):
        store.stream(get(b"k", b"l", limit=limit))
        store.stream(get(b"k", b"l", limit=limit, keys_only=True))
    store.stream(get(*EVERYTHING, revision=store.rev(5)))
    store.stream(get(*EVERYTHING, revision=-5))


def test_big_chunks_do_not_grow(store: Store) -> None:
    for i in range(25):
        store.send(put(b"k%02d" % i, b"v" * 100_000))
    messages = store.stream(get(b"k", b"l")).replies
    assert [len(message.range_response.kvs) for message in messages] == [10, 10, 5]
    # Without values even these keys are few bytes.
    messages = store.stream(get(b"k", b"l", keys_only=True)).replies
    assert [len(message.range_response.kvs) for message in messages] == [10, 15]


def test_chunks_halve_when_they_are_very_big(store: Store) -> None:
    for i in range(16):
        store.send(put(b"k%02d" % i, b"v" * 400_000))
    messages = store.stream(get(b"k", b"l")).replies
    assert [len(message.range_response.kvs) for message in messages] == [10, 5, 1]
