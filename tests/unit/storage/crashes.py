"""Crashes at the steps of work on the disk: what each would leave, as a copy to open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from etcdpy.storage.journal import _Segment
from tests.unit.storage.material import as_after_a_crash

SECTOR = 512


class Crash(NamedTuple):
    step: str
    left: Path
    acknowledged: int


class Crashes:
    """
    Copies the directory around every step, one step at a time.

    Attributes:
        acknowledged: The newest revision whose writer knows that it is durable.
        seen: The copies.
        wanted: Tells by its name whether a step is to be copied at, as all are at first.

    """

    def __init__(self, data_dir: Path, copies: Path) -> None:
        self.acknowledged = 1
        self.wanted: Callable[[str], bool] = lambda step: True
        self.seen: list[Crash] = []
        self._data_dir = data_dir
        self._copies = copies
        self._lock = threading.RLock()

    def end(self) -> None:
        """Copy no more: what looks at the copies takes the same steps."""
        self.wanted = lambda step: False

    def around(self, real: Callable[..., Any], step: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with self._lock:
                self._copy(f"before {step}")
                try:
                    return real(*args)
                finally:
                    self._copy(f"after {step}")

        return call

    def in_the_middle(self, real: Callable[..., Any], step: str) -> Callable[..., Any]:
        """Make a write in two halves, with a crash between them."""

        def write(segment: _Segment, data: bytes, offset: int) -> None:
            with self._lock:
                # Disks and page caches take whole sectors.
                half = max(0, (offset + len(data) // 2) // SECTOR * SECTOR - offset)
                real(segment, data[:half], offset)
                self._copy(f"in the middle of {step}")
                real(segment, data[half:], offset + half)

        return write

    def _copy(self, step: str) -> None:
        if not self.wanted(step):
            return
        left = as_after_a_crash(self._data_dir, self._copies / str(len(self.seen)))
        self.seen.append(Crash(step, left, self.acknowledged))
