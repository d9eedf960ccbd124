"""What is written for speed says which workload of the benchmarks would show that it is lost."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from bench.workloads import NORMAL, chosen, workloads
from tests.unit.architecture.source import MODULES

#: ``# Fast path (bench: put/100x1, range/100x1): why it is one.``
MARK = re.compile(r"#:? Fast path")
NAMED = re.compile(r"#:? Fast path \(bench: ([^()]+)\): ")


def marks_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each comment that marks a fast path."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and MARK.match(token.string):
            yield token.start[0], token.string


def workloads_of(comment: str) -> list[str]:
    """Return what a mark names, nothing if it is not in the form above."""
    named = NAMED.match(comment)
    return named[1].split(", ") if named else []


def test_every_fast_path_names_its_workloads() -> None:
    everything = workloads(NORMAL)
    wrong = []
    for module in MODULES.values():
        for line, comment in marks_in(module.text):
            names = workloads_of(comment)
            try:
                known = names and chosen(everything, names)
            except ValueError:
                known = []
            if not known:
                wrong.append(f"{module.place}:{line} {comment}")
    assert wrong == []


@pytest.mark.parametrize(
    ("comment", "names"),
    [
        ("# Fast path (bench: put/100x1): no copy.", ["put/100x1"]),
        ("# Fast path (bench: put/100x1, range/100x1): no copy.", ["put/100x1", "range/100x1"]),
        ("# Fast path: no copy.", []),
        ("# Fast path, measured: no copy.", []),
        ("# Fast paths, as above.", []),
    ],
)
def test_mark_is_recognised(comment: str, names: list[str]) -> None:
    assert list(marks_in(comment)) == [(1, comment)]
    assert workloads_of(comment) == names
