"""What a node notes of its own work."""

from __future__ import annotations

import pytest

from etcdpy.node.measures import Measures
from etcdpy.testing.clock import MovableClock


def test_health_is_counted_by_how_it_ended() -> None:
    health = Measures().health
    for is_good in (True, True, False):
        health.note_health(is_good=is_good)
        health.note_check("livez", "serializable_read", is_good=is_good)
    assert (health.successes, health.failures) == (2, 1)
    assert health.checks == {("livez", "serializable_read"): (2, 1, False)}


async def test_block_is_timed_by_the_clock() -> None:
    measures, clock = Measures(), MovableClock()
    with measures.timed(measures.hash_keys, clock):
        await clock.advance(0.5)
    assert measures.hash_keys.count == 1
    assert measures.hash_keys.total == pytest.approx(0.5)


async def test_defragmentation_is_under_way_until_it_ends() -> None:
    measures, clock = Measures(), MovableClock()
    with measures.defragmentation(clock):
        assert measures.defragmenting == 1
    assert (measures.defragmenting, measures.defragment.count) == (0, 1)


def test_defragmentation_that_fails_took_no_time() -> None:
    measures = Measures()
    with pytest.raises(ValueError), measures.defragmentation(MovableClock()):
        raise ValueError
    assert (measures.defragmenting, measures.defragment.count) == (0, 0)


def test_work_is_filed_by_what_it_was() -> None:
    measures = Measures()
    measures.note_applied("Put", 0.001)
    measures.note_applied("Range", 0.002)
    assert (measures.applied["Put"].count, measures.read.count) == (1, 1)


def test_requests_are_told_apart_by_how_they_ended() -> None:
    measures = Measures()
    measures.note_request("Put", True, 0.1)
    measures.note_request("Put", False, 0.1)
    measures.note_request("MemberList", True, 0.1)
    measures.note_request("Compact", True, 0.1)
    measures.note_request("UserAdd", True, 0.1)
    counts = {key: values.count for key, values in measures.requests.items() if values.count}
    assert counts == {
        ("Put", True): 1,
        ("Put", False): 1,
        ("Compaction", True): 1,
        ("AuthUserAdd", True): 1,
    }


def test_slice_of_a_compaction_counts_in_milliseconds() -> None:
    measures = Measures()
    measures.note_compaction_slice(0.0007)
    assert measures.compaction_slice.total == pytest.approx(0.7)
    assert measures.index_slice.counts[:2] == [0, 1]
