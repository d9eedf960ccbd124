"""Which directories were synced since they gained a name: what a power cut could take back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Names = dict[str, int]


class Syncs:
    """
    Notes what stood in each directory when it was synced.

    Attributes:
        counts: How often each directory or file was synced.

    """

    def __init__(self, root: Path) -> None:
        self.counts: dict[Path, int] = {}
        self._root = root
        # By what it is, as its name may change.
        self._synced = {each.stat().st_ino: _names(each) for each in _directories(root)}

    def note(self, descriptor: int) -> None:
        """Note a sync."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.counts[path] = self.counts.get(path, 0) + 1
        if path.is_dir():
            self._synced[path.stat().st_ino] = _names(path)

    def owed(self) -> dict[str, set[str]]:
        """Return the directories with a name that a power cut could take, and those names."""
        owed = {}
        for directory in _directories(self._root):
            synced = self._synced.get(directory.stat().st_ino, {})
            names = {name for name, file in _names(directory).items() if synced.get(name) != file}
            if names:
                owed[str(directory.relative_to(self._root))] = names
        return owed


@contextmanager
def recorded(root: Path) -> Iterator[Syncs]:
    """Record the syncs of directories and files while the block runs."""
    syncs = Syncs(root)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("fsync", "fdatasync"):
            _record(patched, name, syncs)
        yield syncs


def _record(patched: pytest.MonkeyPatch, name: str, syncs: Syncs) -> None:
    real = getattr(os, name)

    def sync(descriptor: int) -> None:
        real(descriptor)
        syncs.note(descriptor)

    patched.setattr(os, name, sync)


def _directories(root: Path) -> Iterator[Path]:
    yield root
    yield from (path for path in root.rglob("*") if path.is_dir())


def _names(directory: Path) -> Names:
    """Return the names in a directory, each with the file that it is of."""
    return {entry.name: entry.inode() for entry in os.scandir(directory)}
