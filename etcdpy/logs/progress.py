"""
How far a long run is, for whoever waits for it at a terminal.

::

    restoring snapshot:  42%|████▏     | 214M/512M [00:03<00:04, 71.3MB/s]

What takes less than a second shows nothing, and where standard error is no terminal nothing is
ever shown, nor is what draws bars imported.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Show", "growing", "progress"]

#: Takes what is done and what there is to do in all, 0 if nobody knows.
Show = Callable[[int, int], None]

#: Seconds before a bar is shown, and between two looks at what grows by itself.
DELAY = 1.0
LOOKS = 0.25


@contextmanager
def progress(what: str, unit: str = "B") -> Iterator[Show]:
    """
    Give what shows how far the block is; behind it the bar is gone.

    Args:
        what: What is being done.
        unit: Of what is counted.

    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    # Only now: it takes longer to import than most runs last.
    from tqdm import tqdm

    # Its thread would see to bars that stand still, and outlive this one.
    tqdm.monitor_interval = 0
    with tqdm(
        desc=what, unit=unit, unit_scale=True, delay=DELAY, leave=False, file=sys.stderr
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield show


@contextmanager
def growing(what: str, directory: Path, total: int) -> Iterator[None]:
    """
    Show how far the files in a directory have grown, while the block makes them grow.

    Args:
        what: What is being done.
        directory: Where they are.
        total: Bytes that they will have.

    """
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    with progress(what) as show:

        def look() -> None:
            while not over.wait(LOOKS):
                show(min(_size(directory), total), total)

        looking = threading.Thread(target=look, name="progress", daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


def _size(directory: Path) -> int:
    """Return what the files take on the disk, as one may be as long as it is to be already."""
    try:
        return sum(path.stat().st_blocks * 512 for path in directory.iterdir())
    except OSError:
        return 0
