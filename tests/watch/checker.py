"""
What etcd promises watchers, checked on the log of one watcher and the history of the store.

* ordered: events come in the order of their revisions;
* unique: none comes twice;
* atomic: the events of one revision come together, unless fragments were asked for;
* reliable: none is left out between two that came, nor before the revision a watcher started at;
* bookmarkable: a progress revision comes behind all events up to it;
* what a key held before is right, or left out because it was compacted away.

A watcher that resumes another one's place is a watcher with a start revision: what holds for
that one makes it resumable.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from etcdpy.pb import kv_pb2
from tests.watch.history import History
from tests.watch.log import ReceivedResponse, WatcherLog


class Violation(AssertionError):  # noqa: N818 - it is one, of a promise
    """A watcher was not received what it should have been."""


def check(watcher: WatcherLog, history: History) -> int:
    """
    Check one watcher; return how many events it was received.

    Raises:
        Violation: The log breaks a promise.

    """
    first = watcher.first
    if first is None:
        _demand(not watcher.received, "events came before the watcher was confirmed")
        return 0
    _demand(not watcher.received or watcher.created is not None, "events came before the reply")
    owed = history.owed(watcher.interest, first)
    upcoming = next(owed, None)
    progress = sorted(watcher.progress)
    received = _whole(watcher.received)
    for position in range(len(watcher.received) + 1):
        while progress and progress[0][0] == position:
            _, revision = progress.pop(0)
            early = upcoming is not None and _revision(upcoming) <= revision
            _demand(not early, f"progress {revision} was received early", upcoming)
        for response in received.get(position, ()):
            for events in _by_revision(response):
                _compare(events, upcoming, response)
                upcoming = next(owed, None)
    if watcher.is_open:
        _demand(upcoming is None, "the rest was never received", upcoming)
    return sum(len(response.events) for response in watcher.received)


def _whole(received: list[ReceivedResponse]) -> dict[int, list[ReceivedResponse]]:
    """Put fragments together; the last may lack its end, and is left out then."""
    whole: dict[int, list[ReceivedResponse]] = {}
    pieces: list[kv_pb2.Event] = []
    for position, response in enumerate(received):
        pieces += response.events
        if not response.fragment:
            whole[position] = [
                ReceivedResponse(response.revision, pieces, False, response.compacted)
            ]
            pieces = []
    return whole


def _by_revision(response: ReceivedResponse) -> Iterator[list[kv_pb2.Event]]:
    last = response.events[-1].kv.mod_revision
    _demand(last <= response.revision, f"the header says {response.revision}", response.events)
    for _, events in groupby(response.events, lambda event: event.kv.mod_revision):
        yield list(events)


def _compare(
    got: list[kv_pb2.Event], expected: list[kv_pb2.Event] | None, response: ReceivedResponse
) -> None:
    if expected is None:
        raise Violation(f"more was received than happened: {got}")
    if _revision(got) != _revision(expected):
        kind = "out of order, or again" if _revision(got) < _revision(expected) else "after a gap"
        raise Violation(f"received {kind}: {got}\nand not {expected}")
    _demand(len(got) == len(expected), "a revision was received in part", (got, expected))
    for event, right in zip(got, expected, strict=True):
        _compare_event(event, right, response.compacted)


def _compare_event(event: kv_pb2.Event, right: kv_pb2.Event, compacted: int) -> None:
    if event == right:
        return
    plain = kv_pb2.Event()
    plain.CopyFrom(right)
    plain.ClearField("prev_kv")
    was_compacted = event.kv.mod_revision - 1 < compacted
    _demand(event == plain and was_compacted, "an event is wrong", (event, right))


def _revision(events: list[kv_pb2.Event]) -> int:
    revision: int = events[0].kv.mod_revision
    return revision


def _demand(holds: bool, what: str, shown: object = "") -> None:
    if not holds:
        raise Violation(f"{what}: {shown}")


def check_history(
    history: History, first: int, acknowledged: dict[int, dict[bytes, bytes]]
) -> None:
    """
    Check that a history is one a store can have.

    Args:
        first: The revision before its first.
        acknowledged: What the keys of each acknowledged write were put to.

    Raises:
        Violation: A revision is missing or not what was written, or a key's past is not its past.

    """
    keys: dict[bytes, kv_pb2.KeyValue] = {}
    for revision in range(first + 1, history.newest + 1):
        events = history.of(revision)
        _demand(bool(events), f"revision {revision} is missing")
        before = dict(keys)
        for event in events:
            _replay(event, before.get(event.kv.key), keys)
        written = acknowledged.get(revision)
        if written is not None:
            puts = {e.kv.key: e.kv.value for e in events if e.type == kv_pb2.Event.PUT}
            _demand(puts == written, f"revision {revision} is not what was written", events)
    last = max(acknowledged, default=first)
    _demand(last <= history.newest, f"revision {last} was acknowledged and is gone")


def _replay(
    event: kv_pb2.Event, before: kv_pb2.KeyValue | None, keys: dict[bytes, kv_pb2.KeyValue]
) -> None:
    key, kv, current = event.kv.key, event.kv, keys.get(event.kv.key)
    if event.type == kv_pb2.Event.DELETE:
        _demand(current is not None, "a key was deleted that was not there", event)
        del keys[key]
        is_create = False
    else:
        _demand(kv.version == (current.version + 1 if current else 1), "a version is wrong", event)
        created = current.create_revision if current else kv.mod_revision
        _demand(kv.create_revision == created, "a create revision is wrong", event)
        keys[key] = kv
        is_create = kv.create_revision == kv.mod_revision
    past = None if is_create else before
    received = event.prev_kv if event.HasField("prev_kv") else None
    _demand(received == past, f"the key held {past} before", event)
