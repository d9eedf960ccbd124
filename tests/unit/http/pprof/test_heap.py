"""What is in memory, as it is told."""

from __future__ import annotations

import re
import sys
import tracemalloc

import pytest

from etcdpy.http.pprof.heap import heap


class Peculiar:
    """There are no others of these."""


async def test_objects_are_counted_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever else there is in a process that has run other tests.
    monkeypatch.setattr(sys.modules[heap.__module__], "MOST_ROWS", 100_000)
    kept = [Peculiar() for _ in range(12_345)]
    # Those with attributes of their own are not looked at by the collector on every Python.
    for one in kept:
        one.__dict__["itself"] = one
    text = await heap()
    assert f"     12345 {__name__}.Peculiar\n" in text
    for one in kept:
        one.__dict__.clear()


async def test_figures_are_those_of_python() -> None:
    text = await heap()
    (most,) = (int(found) for found in re.findall(r": (\d+) KiB$", text, re.M))
    assert most > 1000
    assert "collections, by generation: [" in text
    assert "traced" not in text


async def test_what_tracemalloc_knows_is_told() -> None:
    tracemalloc.start()
    try:
        kept = bytearray(5 << 20)
        text = await heap()
    finally:
        tracemalloc.stop()
    _, _, traced = text.partition("allocated, as traced by tracemalloc\n")
    assert f"{__file__}:" in traced
    assert len(kept) == 5 << 20
