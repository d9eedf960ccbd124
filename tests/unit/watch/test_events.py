"""Events, compared with what the protobuf library makes of them."""

from __future__ import annotations

import pytest

from etcdpy.mvcc.revision import row_key, tombstone_key
from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch.events import Event, key_of
from tests.unit.watch.watched_store import WatchedStore


def _decoded(field: bytes) -> kv_pb2.Event:
    (event,) = pb.WatchResponse.FromString(field).events
    # Not only readable: the very bytes that the library writes.
    assert pb.WatchResponse(events=[event]).SerializeToString() == field
    return event


@pytest.mark.parametrize("size", [1, 127, 128, 129, 20_000])
def test_the_key_is_found_in_a_row(size: int) -> None:
    key = b"k" * size
    assert key_of(kv_pb2.KeyValue(key=key, value=b"v").SerializeToString()) == key
    assert key_of(kv_pb2.KeyValue(key=key).SerializeToString()) == key


@pytest.mark.parametrize("size", [0, 100, 200, 20_000])
def test_a_put_holds_the_row(size: int) -> None:
    kv = kv_pb2.KeyValue(key=b"k", value=bytes(size), mod_revision=7, create_revision=5, version=2)
    event = Event(row_key(7, 0), kv.SerializeToString())
    assert (event.main, event.key, event.is_delete) == (7, b"k", False)
    assert _decoded(event.field()) == kv_pb2.Event(kv=kv)
    assert event.kv() == kv


def test_a_delete_holds_the_key_and_its_revision() -> None:
    event = Event(tombstone_key(300, 2), kv_pb2.KeyValue(key=b"k").SerializeToString())
    kv = kv_pb2.KeyValue(key=b"k", mod_revision=300)
    assert event.is_delete
    assert _decoded(event.field()) == kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv)
    assert event.kv() == kv


async def test_what_was_before() -> None:
    watched = WatchedStore()
    for value in (b"1", b"2"):
        watched.put(b"k", value=value)
    watched.delete(b"k")
    events = [Event(*item) for item in watched.log.scan_rows(b"")]
    before = [_decoded(event.field_with_previous(watched.store)) for event in events]
    assert [event.prev_kv.value for event in before] == [b"", b"1", b"2"]
    assert not before[0].HasField("prev_kv")


async def test_what_was_before_is_left_out_once_it_is_compacted() -> None:
    watched = WatchedStore()
    for value in (b"1", b"2", b"3"):
        watched.put(b"k", value=value)
    events = [Event(*item) for item in watched.log.scan_rows(b"")]
    await watched.compact(3)
    sent = [_decoded(event.field_with_previous(watched.store)) for event in events[1:]]
    assert [event.HasField("prev_kv") for event in sent] == [False, True]
