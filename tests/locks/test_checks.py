"""The checks of histories find what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from tests.locks.candidates import ElectionLedger, check_leaders
from tests.locks.contenders import check_holders
from tests.locks.history import Head, QueueHistory
from tests.locks.observers import check_stream


class Story:
    """Events of a store, as they would be told of it."""

    def __init__(self) -> None:
        self.events: list[mvccpb.Event] = []
        self.revision = 1
        self._created: dict[bytes, int] = {}

    def put(self, key: bytes, value: bytes = b"") -> int:
        self.revision += 1
        kv = mvccpb.KeyValue(
            key=key,
            value=value,
            create_revision=self._created.setdefault(key, self.revision),
            mod_revision=self.revision,
        )
        self.events.append(mvccpb.Event(type=mvccpb.Event.PUT, kv=kv))
        return self.revision

    def delete(self, *keys: bytes) -> int:
        """Delete keys in one revision."""
        self.revision += 1
        for key in keys:
            del self._created[key]
            kv = mvccpb.KeyValue(key=key, mod_revision=self.revision)
            self.events.append(mvccpb.Event(type=mvccpb.Event.DELETE, kv=kv))
        return self.revision


# ------------------------------------------------------------------- the queue


def test_head_is_the_key_created_first() -> None:
    story = Story()
    b = story.put(b"q/b", b"1")
    story.put(b"q/a")
    story.put(b"other")
    story.put(b"q/b", b"2")
    queue = QueueHistory(b"q/", story.events)
    assert queue.at(b - 1) is None
    assert queue.at(b) == queue.at(b + 2) == Head(b"q/b", b, b, b"1")
    assert queue.at(b + 3) == queue.at(99) == Head(b"q/b", b, b + 3, b"2")


def test_keys_deleted_together_go_together() -> None:
    story = Story()
    for key in (b"q/a", b"q/b", b"q/c"):
        story.put(key)
    story.delete(b"q/a", b"q/b")
    last = story.delete(b"q/c")
    queue = QueueHistory(b"q/", story.events)
    assert [head and head.key for head in queue.heads] == [None, b"q/a", b"q/c", None]
    assert queue.at(last) is None


# ------------------------------------------------------------------- the locks


def _hold(story: Story, created: int) -> None:
    story.put(b"record", b"%d" % created)


def _two_in_the_queue() -> tuple[Story, int, int]:
    story = Story()
    return story, story.put(b"mutex/a"), story.put(b"mutex/b")


def test_holding_one_after_the_other_is_right() -> None:
    story, first, second = _two_in_the_queue()
    _hold(story, first)
    story.delete(b"mutex/a")
    _hold(story, second)
    check_holders(story.events)


def test_holding_before_the_other_has_gone_is_found() -> None:
    story, first, second = _two_in_the_queue()
    _hold(story, first)
    _hold(story, second)
    with pytest.raises(AssertionError, match="held by two"):
        check_holders(story.events)


def test_holding_without_a_place_is_found() -> None:
    story = Story()
    _hold(story, 2)
    with pytest.raises(AssertionError, match="not in the queue"):
        check_holders(story.events)


# --------------------------------------------------------------- the elections


def test_proclaiming_before_the_other_has_gone_is_found() -> None:
    story = Story()
    first = story.put(b"post/a", b"1")
    second = story.put(b"post/b", b"2")
    ledger = ElectionLedger(1)
    ledger.proclaimed[story.put(b"post/a", b"1 again")] = (first, b"1 again")
    check_leaders(story.events, ledger)
    ledger.proclaimed[story.put(b"post/b", b"2 again")] = (second, b"2 again")
    with pytest.raises(AssertionError, match="two led"):
        check_leaders(story.events, ledger)


def test_leading_in_another_order_is_found() -> None:
    ledger = ElectionLedger(2)
    ledger.lead(1, elect.LeaderKey(rev=5))
    with pytest.raises(AssertionError, match="given what 1 holds"):
        ledger.lead(2, elect.LeaderKey(rev=6))
    ledger.give_up(1)
    with pytest.raises(AssertionError, match="entered before"):
        ledger.lead(3, elect.LeaderKey(rev=4))


# --------------------------------------------------------------- the observers


@pytest.fixture
def told() -> list[elect.LeaderResponse]:
    """What an observer is told who misses nothing of ``_post``."""
    return [_told(event.kv.mod_revision, event) for event in _post().events if event.kv.value]


def _post() -> Story:
    """Return a story of two leaders: each is elected, and proclaims twice."""
    story = Story()
    for name in (b"a", b"b"):
        for value in (b"1", b"2", b"2"):
            story.put(b"post/" + name, value)
        story.delete(b"post/" + name)
    return story


def _told(revision: int, event: mvccpb.Event) -> elect.LeaderResponse:
    return elect.LeaderResponse(header=pb.ResponseHeader(revision=revision), kv=event.kv)


def _check(told: Iterable[elect.LeaderResponse]) -> None:
    check_stream(told, QueueHistory(b"post/", _post().events))


def test_observing_everything_or_from_some_moment_on_is_right(
    told: list[elect.LeaderResponse],
) -> None:
    for begin in range(len(told) + 1):
        _check(told[begin:])


def test_missing_a_leader_that_was_replaced_meanwhile_is_right(
    told: list[elect.LeaderResponse],
) -> None:
    _check(told[:3] + told[4:])


@pytest.mark.parametrize("missing", [1, 2, 4])
def test_missing_a_proclamation_is_found(told: list[elect.LeaderResponse], missing: int) -> None:
    del told[missing]
    with pytest.raises(AssertionError, match="left out"):
        _check(told)


def test_missing_that_a_leader_proclaimed_before_it_went_is_found(
    told: list[elect.LeaderResponse],
) -> None:
    with pytest.raises(AssertionError, match="left out"):
        _check([told[0], *told[3:]])


def test_being_told_twice_or_of_the_past_is_found(told: list[elect.LeaderResponse]) -> None:
    with pytest.raises(AssertionError, match="told again"):
        _check([*told, told[-1]])
    with pytest.raises(AssertionError, match="told again"):
        _check([told[3], told[2]])


def test_being_told_of_who_does_not_lead_is_found(told: list[elect.LeaderResponse]) -> None:
    told[0].kv.value = b"never said"
    with pytest.raises(AssertionError, match="did not lead"):
        _check(told)
