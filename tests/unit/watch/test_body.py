"""The events of a response are encoded once, in steps, whole or in pieces."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch import body as body_module
from etcdpy.watch.body import COST_OF_PREVIOUS, EVENTS_PER_STEP, Body
from etcdpy.watch.events import Event
from tests.unit.watch.watched_store import WatchedStore

#: More than two steps.
MANY = 2 * EVENTS_PER_STEP + 10


@pytest.fixture
async def watched() -> WatchedStore:
    return WatchedStore()


def events_of(watched: WatchedStore, number: int, value: bytes = b"new") -> list[Event]:
    """Put keys twice, each time in one revision; return the events of the second."""
    keys = [b"k%05d" % key for key in range(number)]
    watched.put(*keys, value=b"old")
    revision = watched.put(*keys, value=value)
    rows = watched.log.scan_rows(b"")
    events = [Event(key, row) for key, row in rows]
    return [event for event in events if event.main == revision]


def decoded(encoded: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return the keys, values and previous values in fields of a WatchResponse."""
    response = pb.WatchResponse.FromString(encoded)
    return [(it.kv.key, it.kv.value, it.prev_kv.value) for it in response.events]


@pytest.mark.parametrize("number", [1, 2, EVENTS_PER_STEP, MANY])
@pytest.mark.parametrize(("previous", "before"), [(False, b""), (True, b"old")])
async def test_whole_it_holds_all_events_in_order(
    watched: WatchedStore, number: int, previous: bool, before: bytes
) -> None:
    body = Body(events_of(watched, number), watched.store)
    expected = [(b"k%05d" % key, b"new", before) for key in range(number)]
    whole = body.whole(previous)
    assert decoded(whole) == expected
    assert body.size(previous) == len(whole)
    assert body.whole(previous) == whole


@pytest.mark.parametrize("previous", [False, True])
async def test_prepared_in_steps_it_is_the_same(watched: WatchedStore, previous: bool) -> None:
    events = events_of(watched, MANY)
    body = Body(list(events), watched.store)
    assert body.is_long
    work = list(body.prepare(previous))
    cost = COST_OF_PREVIOUS if previous else 1
    assert work == [EVENTS_PER_STEP * cost, EVENTS_PER_STEP * cost, 10 * cost]
    assert list(body.prepare(previous)) == [], "it is prepared once"
    assert body.whole(previous) == Body(events, watched.store).whole(previous)


async def test_a_step_has_enough_with_large_events(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "BYTES_PER_STEP", 1000)
    body = Body(events_of(watched, 10, value=b"v" * 600), watched.store)
    assert not body.is_long
    assert list(body.prepare(previous=False)) == [2, 2, 2, 2, 2]
    assert len(decoded(body.whole(previous=False))) == 10


@pytest.mark.parametrize("previous", [False, True])
@pytest.mark.parametrize("room", [1, 100, 1000, 3000, 1 << 20])
async def test_pieces_have_room_and_are_together_the_whole(
    watched: WatchedStore, room: int, previous: bool
) -> None:
    events = events_of(watched, MANY)
    body = Body(events, watched.store)
    pieces = body.pieces(previous, room)
    assert b"".join(pieces) == body.whole(previous)
    lengths = [len(decoded(piece)) for piece in pieces]
    assert sum(lengths) == MANY, "no event is cut in two"
    for piece, length in zip(pieces, lengths, strict=True):
        assert len(piece) < room or length == 1
    assert body.pieces(previous, room) is pieces, "they are cut once for each room"


async def test_dissolving_goes_in_steps_and_leaves_little(watched: WatchedStore) -> None:
    body = Body(events_of(watched, MANY), watched.store)
    steps = len(list(body.dissolve()))
    assert steps == 2
    assert len(body.events) <= EVENTS_PER_STEP
