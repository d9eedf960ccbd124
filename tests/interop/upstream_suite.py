"""
Runs tests that a client's own authors wrote, in the client's environment.

    python upstream_suite.py PATTERN MODULE...

Prints what became of each test whose name matches the pattern: ``{"Class.test": "ok"}``. They run
side by side, each in a process that has been forked: they mostly sleep, and change what is global.
"""

from __future__ import annotations

import json
import re
import sys
import unittest
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

PROCESSES = 32

#: The tests, which processes find here.
found: list[unittest.TestCase] = []


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            assert isinstance(test, unittest.TestCase)
            yield test


def outcome(number: int) -> tuple[str, str]:
    case = found[number]
    result = unittest.TestResult()
    type(case).setUpClass()
    case.run(result)
    for _, text in (*result.failures, *result.errors):
        return name_of(case), str(text)
    for _, reason in result.skipped:
        return name_of(case), f"skipped: {reason}"
    return name_of(case), "ok"


def name_of(case: unittest.TestCase) -> str:
    return ".".join(case.id().split(".")[-2:])


def main(pattern: str, *modules: str) -> None:
    loaded = cases(unittest.defaultTestLoader.loadTestsFromNames(modules))
    found.extend(case for case in loaded if re.search(pattern, name_of(case)))
    with ProcessPoolExecutor(PROCESSES, get_context("fork")) as pool:
        told = dict(pool.map(outcome, range(len(found))))
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
