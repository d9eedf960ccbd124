"""The checker finds what breaks a promise to watchers, and nothing else."""

from __future__ import annotations

import pytest

from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.watch.checker import Violation, check, check_history
from tests.watch.history import NODELETE, History, Interest
from tests.watch.log import ReceivedResponse, StreamLog, WatcherLog

EVERYTHING = Interest(b"\0", b"\0", prev_kv=True)


def _put(key: bytes, revision: int, prev: kv_pb2.Event | None = None) -> kv_pb2.Event:
    kv = kv_pb2.KeyValue(key=key, value=b"v%d" % revision, mod_revision=revision)
    kv.create_revision = prev.kv.create_revision if prev else revision
    kv.version = prev.kv.version + 1 if prev else 1
    return kv_pb2.Event(kv=kv, prev_kv=prev.kv if prev else None)


def _delete(key: bytes, revision: int, prev: kv_pb2.Event) -> kv_pb2.Event:
    kv = kv_pb2.KeyValue(key=key, mod_revision=revision)
    return kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv, prev_kv=prev.kv)


A2, B3 = _put(b"a", 2), _put(b"b", 3)
A4 = _put(b"a", 4, A2)
# One revision of two events.
A5, C5 = _delete(b"a", 5, A4), _put(b"c", 5)


@pytest.fixture
def history() -> History:
    history = History(1)
    history.add([A2, B3, A4, A5, C5])
    return history


def _log(
    *received: list[kv_pb2.Event], since: int = 2, interest: Interest = EVERYTHING
) -> WatcherLog:
    responses = [ReceivedResponse(events[-1].kv.mod_revision, events) for events in received]
    return WatcherLog(interest, since, created=1, received=responses, is_open=True)


def test_a_complete_log_passes(history: History) -> None:
    assert check(_log([A2], [B3], [A4], [A5, C5]), history) == 5
    assert check(_log([A2, B3, A4, A5, C5]), history) == 5
    assert check(_log([A4], [A5, C5], since=4), history) == 3


def test_who_wants_less_is_told_less(history: History) -> None:
    plain = kv_pb2.Event(kv=A4.kv)
    assert check(_log([A2], [plain], interest=Interest(b"a", filters=(NODELETE,))), history) == 2


@pytest.mark.parametrize(
    ("received", "complaint"),
    [
        pytest.param([[A2], [A4], [A5, C5]], "after a gap", id="reliable"),
        pytest.param([[B3], [A4], [A5, C5]], "after a gap", id="reliable from the start"),
        pytest.param([[A2], [B3], [A4]], "never received", id="complete"),
        pytest.param([[A2], [A2], [B3]], "out of order, or again", id="unique"),
        pytest.param([[A2], [A4], [B3]], "after a gap", id="ordered"),
        pytest.param([[A2], [B3], [A4], [A5], [C5]], "in part", id="atomic"),
        pytest.param([[A2], [B3], [A4], [C5, A5]], "wrong", id="ordered within a revision"),
        pytest.param([[A2], [B3], [kv_pb2.Event(kv=A4.kv)]], "wrong", id="prev_kv left out"),
        pytest.param([[A2], [_put(b"b", 3, A2)]], "wrong", id="prev_kv of nothing"),
    ],
)
def test_broken_promises(
    history: History, received: list[list[kv_pb2.Event]], complaint: str
) -> None:
    with pytest.raises(Violation, match=complaint):
        check(_log(*received), history)


def test_a_past_that_was_compacted_may_be_left_out(history: History) -> None:
    log = _log([A2], [B3], [kv_pb2.Event(kv=A4.kv)], [A5, C5])
    log.received[2].compacted = 4
    check(log, history)


def test_fragments_are_put_together(history: History) -> None:
    log = _log([A2], [B3], [A4], [A5], [C5])
    log.received[3].fragment = True
    check(log, history)


def test_a_watcher_that_ended_need_not_know_all(history: History) -> None:
    log = _log([A2], [B3])
    log.is_open = False
    assert check(log, history) == 2


def test_progress_may_not_overtake_events(history: History) -> None:
    log = _log([A2], [B3], [A4], [A5, C5])
    log.progress = [(0, 1), (2, 3), (4, 5), (4, 9)]
    check(log, history)
    log.progress = [(2, 4)]
    with pytest.raises(Violation, match="early"):
        check(log, history)


def test_from_now_on_begins_behind_the_reply(history: History) -> None:
    log = _log([A4], [A5, C5], since=0)
    log.created = 3
    check(log, history)
    log.created = 2
    with pytest.raises(Violation, match="gap"):
        check(log, history)


def test_a_history_has_to_be_possible(history: History) -> None:
    check_history(history, 1, {4: {b"a": b"v4"}, 5: {b"c": b"v5"}})
    with pytest.raises(Violation, match="not what was written"):
        check_history(history, 1, {4: {b"a": b"other"}})
    with pytest.raises(Violation, match="is gone"):
        check_history(history, 1, {6: {b"a": b"v6"}})
    with pytest.raises(Violation, match="missing"):
        check_history(history, 0, {})
    wrong = History(1)
    wrong.add([A2, B3, _put(b"a", 4)])
    with pytest.raises(Violation, match="version"):
        check_history(wrong, 1, {})


def test_where_to_resume() -> None:
    log = _log([A2], [A4, A5])
    assert log.next == 6
    log.received[1].fragment = True
    assert log.next == 3
    assert _log(since=7).next == 7


def _told(**fields: object) -> pb.WatchResponse:
    response = pb.WatchResponse(**fields)  # type: ignore[arg-type]
    response.header.revision = 5
    return response


def test_a_log_takes_nothing_behind_the_end_of_a_watcher() -> None:
    log = StreamLog()
    log.watchers[3] = WatcherLog(EVERYTHING, 4)
    assert log.take(_told(watch_id=3, created=True), -1) == 0
    assert log.take(_told(watch_id=3, canceled=True), -1) == 0
    with pytest.raises(AssertionError, match="after it was cancelled"):
        log.take(_told(watch_id=3, events=[A4]), -1)
    with pytest.raises(AssertionError, match="refused"):
        log.take(_told(watch_id=-1, created=True, canceled=True), -1)


@pytest.mark.parametrize(
    ("revision", "complaint"), [(3, "was not behind"), (7, "nobody compacted")]
)
def test_a_log_takes_a_compaction_only_from_who_was_behind(revision: int, complaint: str) -> None:
    log = StreamLog()
    log.watchers[3] = WatcherLog(EVERYTHING, 2)
    log.take(_told(watch_id=3, created=True), -1)
    log.take(_told(watch_id=3, events=[A2, B3]), -1)
    with pytest.raises(AssertionError, match=complaint):
        log.take(_told(watch_id=3, canceled=True, compact_revision=revision), 6)
    log.take(_told(watch_id=3, canceled=True, compact_revision=6), 6)
    assert log.watchers[3].compacted == 6
