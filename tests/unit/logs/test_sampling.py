"""A storm of lines is thinned out, kind by kind and second by second."""

from __future__ import annotations

import logging

from etcdpy.logs.sampling import Sampler
from tests.unit.logs.records import record


def passed(sampler: Sampler, count: int, message: str = "again", **options: int) -> list[int]:
    """The places of the records let through among ``count`` of one second."""
    second = options.pop("second", 1000)
    found = []
    for place in range(1, count + 1):
        again = record(message, {"place": place}, **options)  # type: ignore[arg-type]
        again.created = second + place / 10_000
        if sampler.filter(again):
            found.append(place)
    return found


def test_first_hundred_pass_and_then_every_hundredth() -> None:
    assert passed(Sampler(), 399) == [*range(1, 101), 200, 300]


def test_next_second_begins_anew() -> None:
    sampler = Sampler()
    passed(sampler, 150)
    assert passed(sampler, 150, second=1001) == list(range(1, 101))


def test_each_message_and_level_counts_for_itself() -> None:
    sampler = Sampler()
    passed(sampler, 150)
    assert len(passed(sampler, 150, "other")) == 100
    assert len(passed(sampler, 150, level=logging.WARNING)) == 100
    assert passed(sampler, 49) == []


def test_message_that_is_no_text_passes() -> None:
    odd = record("")
    odd.msg = ["not", "hashable"]
    assert Sampler().filter(odd)
