"""When to compact by itself."""

from __future__ import annotations

from etcdpy.node.autocompact import PeriodicPolicy, Policy, RevisionPolicy, policy

HOUR = 3600.0


def compactions(chosen: Policy, until: float, per_second: float = 1.0) -> list[tuple[float, int]]:
    """Run a policy on a store whose revision grows evenly; return when it compacts, and where."""
    found = []
    for number in range(1, int(until / chosen.interval + 1e-6) + 1):
        now = number * chosen.interval
        revision = chosen.tick(1 + int(now * per_second + 1e-6), now)
        if revision is not None:
            found.append((round(now, 6), revision))
            chosen.succeeded(revision, now)
    return found


def test_periodic_keeps_what_the_period_wrote_and_a_tick_more() -> None:
    assert compactions(PeriodicPolicy(10, 1, now=0), until=35) == [(10, 1), (20, 10), (30, 20)]


def test_a_long_period_is_followed_by_a_compaction_every_hour() -> None:
    found = compactions(PeriodicPolicy(3 * HOUR, 1, now=0), until=5.5 * HOUR)
    assert found == [(3 * HOUR, 1), (4 * HOUR, 3241), (5 * HOUR, 6841)]


def test_a_store_that_rests_is_not_compacted_again() -> None:
    chosen = PeriodicPolicy(10, 7, now=0)
    assert compactions(chosen, until=60, per_second=0)[:1] == [(10, 7)]
    assert len(compactions(PeriodicPolicy(10, 1, now=0), until=60, per_second=0)) == 1


def test_what_failed_is_tried_again_at_the_next_tick() -> None:
    chosen = PeriodicPolicy(10, 5, now=0)
    due = [now for now in range(1, 14) if chosen.tick(5, float(now)) is not None]
    assert due == [10, 11, 12, 13]
    chosen.succeeded(5, 13.0)
    assert chosen.tick(5, 14.0) is None


def test_a_timer_that_is_a_hair_early_does_not_cost_a_tick() -> None:
    chosen = PeriodicPolicy(10, 1, now=0)
    ticks = [chosen.tick(2, number - 0.001) for number in range(1, 11)]
    assert ticks == [None] * 9 + [1]


def test_revision_keeps_a_number_of_revisions() -> None:
    chosen = RevisionPolicy(100)
    assert chosen.tick(100, 0) is None
    assert chosen.tick(101, 300) == 1
    assert chosen.tick(101, 600) == 1
    chosen.succeeded(1, 600)
    assert chosen.tick(101, 900) is None
    assert chosen.tick(150, 1200) == 50


def test_mode_chooses_the_policy() -> None:
    assert isinstance(policy("revision", 5, 1, 0), RevisionPolicy)
    assert isinstance(policy("periodic", 10**9, 1, 0), PeriodicPolicy)
