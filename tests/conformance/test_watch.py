"""Watch: creating, cancelling, and what a watcher is told, as by a real etcd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.differences import KEEPS_TOMBSTONES
from tests.conformance.messages import EVERYTHING, compact, delete, put, txn
from tests.conformance.pair import Pair
from tests.conformance.watching import Watch, Watched, cancel, create

NOPUT = pb.WatchCreateRequest.NOPUT
NODELETE = pb.WatchCreateRequest.NODELETE

COMPACTED = "etcdserver: mvcc: required revision has been compacted"
EMPTY_RANGE = "mvcc: watcher range is empty"
DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"

# Before, a negative start revision was a past one like any other.
REFUSES_NEGATIVE_START = (3, 7)


@pytest.fixture
def watched(shared_pair: Pair) -> Iterator[Watched]:
    shared_pair.settle()
    watched = Watched(shared_pair)
    yield watched
    watched.watch.close()


@pytest.fixture
def watch(watched: Watched) -> Watch:
    return watched.watch


# ------------------------------------------------------------------ creating


def test_a_watcher_is_confirmed_and_told_of_a_put(watched: Watched, watch: Watch) -> None:
    confirmed = watch.ask(create(b"a"))
    assert (confirmed.watch_id, confirmed.created, watched.number(confirmed)) == (0, True, 4)
    watched.write(put(b"a", b"4"))
    told = watch.receive()
    assert watched.number(told) == 5
    assert [(event.kv.version, event.kv.value) for event in told.events] == [(3, b"4")]


def test_a_delete_tells_the_key_and_its_revision_alone(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    watched.write(delete(b"a"))
    told = watch.receive()
    assert watched.number(told) == 5
    (event,) = told.events
    assert event.kv == type(event.kv)(key=b"a", mod_revision=watched.rev(5))


def test_a_watcher_from_the_past_reads_history(watched: Watched, watch: Watch) -> None:
    watch.create(b"a", start_revision=watched.rev(2), prev_kv=True)
    told = watch.receive()
    assert watched.number(told) == 4
    assert watched.changes(told) == [("PUT", b"a", 2), ("PUT", b"a", 4)]
    assert [event.prev_kv.value for event in told.events] == [b"", b"1"]
    assert not told.events[0].HasField("prev_kv")


def test_the_current_revision_counts_as_past(watched: Watched, watch: Watch) -> None:
    watch.create(b"a", start_revision=watched.rev(4))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 4)]


def test_the_next_revision_is_the_next_change(watched: Watched, watch: Watch) -> None:
    watch.create(b"a", start_revision=watched.rev(5))
    assert watch.is_silent()
    watched.write(put(b"a"))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 6)]


def test_a_watcher_from_the_future_waits_for_its_revision(watched: Watched, watch: Watch) -> None:
    watch.create(b"a", start_revision=watched.rev(7))
    for _ in range(4):
        watched.write(put(b"a"))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 7)]
    assert watched.changes(watch.receive()) == [("PUT", b"a", 8)]
    assert watch.is_silent()


def test_an_id_can_be_chosen_once(watch: Watch) -> None:
    assert watch.create(b"a", watch_id=7) == 7
    refused = watch.ask(create(b"a", watch_id=7))
    assert (refused.watch_id, refused.created, refused.canceled) == (-1, True, True)
    assert refused.cancel_reason == DUPLICATE_ID
    watch.ask(cancel(7))
    assert watch.create(b"a", watch_id=7) == 7


def test_any_number_but_0_can_be_an_id(watched: Watched, watch: Watch) -> None:
    for watch_id in (-3, -1, -(1 << 63), (1 << 63) - 1):
        assert watch.create(b"a", watch_id=watch_id) == watch_id
        watched.write(put(b"a"))
        assert watch.receive().watch_id == watch_id
        assert watch.ask(cancel(watch_id)).watch_id == watch_id


def test_automatic_ids_pass_over_chosen_ones(watch: Watch) -> None:
    given = [watch.create(b"a", watch_id=number) for number in (0, 0, 3, 0, 0, 0)]
    assert given == [0, 1, 3, 2, 4, 5]


def test_an_automatic_id_is_not_given_again(watch: Watch) -> None:
    assert watch.create(b"a") == 0
    assert watch.ask(cancel(0)).canceled
    assert watch.create(b"a") == 1


@pytest.mark.parametrize("end", [b"a", b"z", b"b\xff"])
def test_an_empty_range_is_refused_and_uses_no_id(watch: Watch, end: bytes) -> None:
    refused = watch.ask(create(b"z", end))
    assert (refused.watch_id, refused.created, refused.canceled) == (-1, True, True)
    assert refused.cancel_reason == EMPTY_RANGE
    assert watch.create(b"z") == 0


def test_the_range_is_looked_at_before_the_id(watch: Watch) -> None:
    watch.create(b"a", watch_id=7)
    assert watch.ask(create(b"z", b"a", watch_id=7)).cancel_reason == EMPTY_RANGE


@pytest.mark.parametrize("range_", [(b"a", b""), (b"z", b"a")])
@pytest.mark.parametrize("start", [-1, -(1 << 63)])
def test_a_negative_start_is_refused_before_anything_else(
    watch: Watch, range_: tuple[bytes, bytes], start: int
) -> None:
    watch.send(create(*range_, start_revision=start))
    refused = watch.receive(since=REFUSES_NEGATIVE_START)
    assert (refused.watch_id, refused.created, refused.canceled) == (-1, True, True)
    assert (refused.cancel_reason, refused.compact_revision) == (COMPACTED, 0)


def test_a_request_without_content_is_passed_over(watch: Watch) -> None:
    watch.send(pb.WatchRequest())
    assert watch.is_silent()


def test_a_create_without_fields_watches_the_smallest_key(watched: Watched, watch: Watch) -> None:
    watch.send(pb.WatchRequest(create_request=pb.WatchCreateRequest()))
    assert watch.receive().created
    watched.write(put(b"\0"))
    assert watched.changes(watch.receive()) == [("PUT", b"\0", 5)]


# -------------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("key", "end", "seen"),
    [
        pytest.param(b"", b"", [b"\0"], id="no key"),
        pytest.param(b"", b"\0", [b"\0", b"a", b"k4", b"k5", b"z", b"\xff"], id="everything"),
        pytest.param(b"", b"b", [b"\0", b"a"], id="all below b"),
        pytest.param(b"k5", b"\0", [b"k5", b"z", b"\xff"], id="from k5 on"),
        pytest.param(b"k", b"l", [b"k4", b"k5"], id="prefix k"),
        pytest.param(b"\xff", b"\0", [b"\xff"], id="prefix ff"),
        pytest.param(b"a", b"a\0", [b"a"], id="one key, as a range"),
        pytest.param(b"a\0", b"k5", [b"k4"], id="no prefix"),
    ],
)
def test_ranges(watched: Watched, watch: Watch, key: bytes, end: bytes, seen: list[bytes]) -> None:
    watch.create(key, end)
    for candidate in (b"\0", b"a", b"k4", b"k5", b"z", b"\xff"):
        watched.write(put(candidate))
    told = [watch.receive() for _ in seen]
    assert [response.events[0].kv.key for response in told] == seen


# -------------------------------------------------------------------- events


def test_a_transaction_is_one_response(watched: Watched, watch: Watch) -> None:
    watch.create(*EVERYTHING)
    watched.write(txn(put(b"m1"), put(b"m2"), delete(b"b")))
    told = watch.receive()
    assert watched.changes(told) == [("PUT", b"m1", 5), ("PUT", b"m2", 5), ("DELETE", b"b", 5)]
    assert watched.number(told) == 5


def test_a_key_that_comes_and_goes_in_one_revision_has_no_past(
    watched: Watched, watch: Watch
) -> None:
    watch.create(*EVERYTHING, prev_kv=True)
    watched.write(txn(txn(put(b"x")), txn(delete(b"x"))))
    live = watch.receive()
    assert watched.changes(live) == [("PUT", b"x", 5), ("DELETE", b"x", 5)]
    watch.create(*EVERYTHING, prev_kv=True, start_revision=watched.rev(5))
    assert watch.receive().events == live.events
    assert not any(event.HasField("prev_kv") for event in live.events)


def test_a_key_that_is_changed_and_goes_in_one_revision_has_the_past_before_it(
    watched: Watched, watch: Watch
) -> None:
    watch.create(*EVERYTHING, prev_kv=True)
    watched.write(txn(txn(put(b"a", b"5")), txn(delete(b"a"))))
    assert [event.prev_kv.value for event in watch.receive().events] == [b"3", b"3"]


def test_previous_values(watched: Watched, watch: Watch) -> None:
    watch.create(b"n", prev_kv=True)
    for write in (put(b"n", b"1"), put(b"n", b"2"), delete(b"n"), put(b"n", b"3")):
        watched.write(write)
    previous = [watch.receive().events[0].prev_kv.value for _ in range(4)]
    assert previous == [b"", b"1", b"2", b""]


@pytest.mark.parametrize("start", [0, 5])
@pytest.mark.parametrize(
    ("filters", "seen"),
    [
        ([NOPUT], ["DELETE"]),
        ([NODELETE], ["PUT"]),
        ([NOPUT, NODELETE], []),
        ([NOPUT, NOPUT], ["DELETE"]),
        ([7], ["PUT", "DELETE"]),
    ],
)
def test_filters(
    watched: Watched, watch: Watch, start: int, filters: list[int], seen: list[str]
) -> None:
    if not start:
        watch.create(b"f", filters=filters)
    watched.write(put(b"f"))
    watched.write(delete(b"f"))
    if start:
        watch.create(b"f", filters=filters, start_revision=watched.rev(start))
    told: list[str] = []
    while len(told) < len(seen):
        told += [kind for kind, _, _ in watched.changes(watch.receive())]
    assert told == seen
    assert watch.is_silent()


def test_a_transaction_is_told_as_far_as_it_passes_the_filter(
    watched: Watched, watch: Watch
) -> None:
    watch.create(*EVERYTHING, filters=[NOPUT])
    watched.write(txn(put(b"m1"), delete(b"b"), put(b"m2"), delete(b"a")))
    assert watched.changes(watch.receive()) == [("DELETE", b"b", 5), ("DELETE", b"a", 5)]


def test_a_lease_that_is_revoked_deletes_in_one_response(watched: Watched, watch: Watch) -> None:
    watched.pair.send(pb.LeaseGrantRequest(ID=77, TTL=600))
    for key in (b"z", b"b", b"a", b"c"):
        watched.write(put(key, lease=77))
    watch.create(*EVERYTHING, prev_kv=True)
    watched.pair.send(pb.LeaseRevokeRequest(ID=77))
    told = watch.receive()
    assert [change[1] for change in watched.changes(told)] == [b"a", b"b", b"c", b"z"]
    assert [event.prev_kv.lease for event in told.events] == [77] * 4


# ------------------------------------------------------------------- history


def test_history_comes_a_thousand_revisions_at_a_time(fresh: Pair) -> None:
    watched = Watched(fresh)
    fresh.send_often(txn(put(b"h"), put(b"t1"), put(b"t2")), 2100)
    last = watched.rev(4 + 2100)
    watched.watch.create(b"h", start_revision=1)
    told = [watched.watch.receive() for _ in range(3)]
    assert [len(response.events) for response in told] == [1000, 1000, 100]
    assert {response.header.revision for response in told} == {last}
    watched.watch.create(b"t", b"u", start_revision=last - 1099)
    told = [watched.watch.receive() for _ in range(2)]
    assert [len(response.events) for response in told] == [2000, 200]
    watched.watch.close()


def test_a_compacted_start_is_confirmed_then_cancelled(watched: Watched, watch: Watch) -> None:
    watched.write(compact(watched.rev(4)))
    watch.create(b"a", start_revision=watched.rev(2), watch_id=5)
    told = watch.receive()
    assert (told.header.revision, told.watch_id, told.created, told.canceled) == (0, 5, False, True)
    assert (told.compact_revision, told.cancel_reason) == (watched.rev(4), "")
    assert watch.ask(create(b"a", watch_id=5)).cancel_reason == DUPLICATE_ID
    assert watch.ask(cancel(5)).canceled
    assert watch.create(b"a", watch_id=5) == 5


def test_the_compacted_revision_itself_is_served(watched: Watched, watch: Watch) -> None:
    watched.write(compact(watched.rev(4)))
    watch.create(b"a", start_revision=watched.rev(4), prev_kv=True)
    told = watch.receive()
    assert watched.changes(told) == [("PUT", b"a", 4)]
    assert not told.events[0].HasField("prev_kv")


def test_a_tombstone_at_the_compacted_revision_is_served(watched: Watched, watch: Watch) -> None:
    watched.write(delete(b"a"))
    watched.write(compact(watched.rev(5)))
    watch.create(b"a", start_revision=watched.rev(5), prev_kv=True)
    told = watch.receive(since=KEEPS_TOMBSTONES)
    assert watched.changes(told) == [("DELETE", b"a", 5)]


def test_a_synced_watcher_is_not_touched_by_compaction(watched: Watched, watch: Watch) -> None:
    watch.create(b"a", start_revision=watched.rev(2))
    watch.receive()
    watch.create(b"b", start_revision=watched.rev(6))
    watched.write(put(b"c"))
    watched.write(put(b"c"))
    watched.write(compact(watched.rev(6), physical=True))
    watched.write(put(b"a"))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 7)]
    watched.write(put(b"b"))
    assert watched.changes(watch.receive()) == [("PUT", b"b", 8)]


# ------------------------------------------------------------------ metadata


def test_a_client_may_insist_on_a_leader(watched: Watched) -> None:
    watch = Watch(watched.pair, metadata=[("hasleader", "true")])
    watch.create(b"a", start_revision=watched.rev(4))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 4)]
    watched.write(put(b"a"))
    assert watched.changes(watch.receive()) == [("PUT", b"a", 5)]
    watch.close()


# ---------------------------------------------------------------- cancelling


def test_a_cancelled_watcher_is_told_so_and_nothing_more(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    told = watch.ask(cancel(0))
    assert (told.canceled, told.created, told.cancel_reason) == (True, False, "")
    watched.write(put(b"a"))
    assert watch.is_silent()


def test_nothing_comes_of_cancelling_what_is_not_there(watch: Watch) -> None:
    watch.send(cancel(12))
    assert watch.is_silent()
    watch.create(b"a", watch_id=3)
    watch.ask(cancel(3))
    watch.send(cancel(3))
    assert watch.is_silent()
    watch.send(pb.WatchRequest(cancel_request=pb.WatchCancelRequest()))
    assert watch.is_silent()


def test_a_half_closed_stream_goes_on(watched: Watched, watch: Watch) -> None:
    watch.create(b"a")
    watch.half_close()
    for number in range(5, 8):
        watched.write(put(b"a"))
        assert watched.changes(watch.receive()) == [("PUT", b"a", number)]


def test_watchers_of_one_stream_are_told_apart(watched: Watched, watch: Watch) -> None:
    for key, end in ((b"a", b""), (b"b", b""), (b"a", b"c")):
        watch.create(key, end)
    watched.write(put(b"b"))
    assert {response.watch_id for response in watch.receive_unordered(2)} == {1, 2}
