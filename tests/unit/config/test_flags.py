"""All flags, honoured or not, are in one table and in the order of the help."""

from __future__ import annotations

from etcdpy.config import FLAGS, SETTINGS
from etcdpy.config.accepted import ACCEPTED


def test_both_tables_are_in_it_and_nothing_else() -> None:
    assert {**SETTINGS, **ACCEPTED} == FLAGS
    assert len(FLAGS) == len(SETTINGS) + len(ACCEPTED)


def test_flags_are_told_by_section() -> None:
    sections = [row.section for row in FLAGS.values()]
    assert len(set(sections)) == sum(
        before != after for before, after in zip([None, *sections], sections, strict=False)
    )
