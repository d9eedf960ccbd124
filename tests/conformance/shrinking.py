"""Cuts a run of random requests down to the few that show a mismatch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tests.conformance.pair import MismatchError

SHRINK_SECONDS = 20.0

#: Makes the requests of these steps, and raises ``MismatchError`` where the servers disagree.
Run = Callable[[Sequence[int]], object]


def shrink(run: Run, steps: list[int], error: MismatchError) -> tuple[list[int], MismatchError]:
    """Leave out whatever can be left out with the servers still in disagreement.

    ``run`` begins with an empty store each time, and what a step is must not depend on others.
    """
    steps = steps[: len(error.calls)]
    deadline = time.monotonic() + SHRINK_SECONDS
    size = max(1, len(steps) // 2)
    while time.monotonic() < deadline:
        for start in range(0, len(steps), size):
            fewer = steps[:start] + steps[start + size :]
            try:
                run(fewer)
            except MismatchError as smaller:
                steps, error = fewer[: len(smaller.calls)], smaller
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return steps, error
