"""
A crash between any two steps of a defragmentation, while rows are written and dropped.

Each copy of the directory must open, twice, with everything acknowledged by then, and with
nothing left of a database that was being copied.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from etcdpy.storage import Backend, Bucket, checkpoint, datadir, defrag
from etcdpy.storage.defrag import Defragmenter
from etcdpy.storage.defrag_process import CopyProcess
from etcdpy.storage.journal import _Segment
from etcdpy.storage.small_copy import SmallCopy
from etcdpy.storage.transaction import WriteTransaction
from etcdpy.testing import MovableClock
from tests.unit.storage.crashes import Crash, Crashes
from tests.unit.storage.material import open_log, put, revisions_in, row_key, soon, until

SEGMENT_BYTES = 16 << 10
KEPT = 20
OF_WRITES = (
    (_Segment, "write", "a journal write"),
    (WriteTransaction, "commit", "a checkpoint's commit"),
)
STEPS = (
    *OF_WRITES,
    (datadir.DataDir, "put_in_place", "the swap on disk"),
    (Backend, "replace", "the swap in memory"),
    (datadir.DataDir, "discard", "the removal"),
    (Path, "replace", "a rename"),
    (datadir, "sync_directory", "the sync of a directory"),
)
ROUND = (CopyProcess, "catch_up", "a round")
#: The steps of a copy that is made by the server itself, and by a process.
SMALL = (*STEPS, (SmallCopy, "__init__", "the start of a copy"), (SmallCopy, "finish", "its end"))
LARGE = (*STEPS, ROUND)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The steps for a store that is taken for small, or for large."""
    if request.param is LARGE:
        monkeypatch.setattr(defrag, "SMALL_STORE", 0)
    return request.param


@pytest.fixture
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Any) -> Crashes:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 3000)
    monkeypatch.setattr(checkpoint, "LARGEST_CHECKPOINT", 6000)
    crashes = Crashes(tmp_path / "data", tmp_path / "copies")
    for owner, name, step in steps:
        monkeypatch.setattr(owner, name, crashes.around(getattr(owner, name), step))
    return crashes


class Writer:
    """Writes one row after another, dropping the one that was written KEPT before."""

    def __init__(self, data_dir: Path, crashes: Crashes) -> None:
        self._crashes = crashes
        self.backend = Backend.open(data_dir, segment_bytes=SEGMENT_BYTES, fsync=False)
        self.log = open_log(self.backend)
        self.revision = 1

    async def write(self) -> None:
        self.revision += 1
        if self.revision - KEPT > 1:
            self.log.batch.drops.append(row_key(self.revision - KEPT))
        self.log.batch.puts[Bucket.META, b"newest"] = b"%d" % self.revision
        await soon(put(self.log, self.revision, _value(self.revision)))
        self._crashes.acknowledged = self.revision

    async def close(self) -> None:
        await self.log.close()
        self.backend.close()


def _value(revision: int) -> bytes:
    return b"%d " % revision * 150


def check(crash: Crash) -> int:
    for _ in range(2):
        backend = Backend.open(crash.left, segment_bytes=SEGMENT_BYTES, fsync=False)
        revisions = revisions_in(backend)
        newest = revisions[-1]
        assert newest >= crash.acknowledged, crash.step
        assert revisions == list(range(max(2, newest - KEPT + 1), newest + 1)), crash.step
        assert backend.get(Bucket.META, b"newest") == b"%d" % newest, crash.step
        assert all(backend.row(row_key(r)) == _value(r) for r in revisions), crash.step
        assert not list(backend.directory.lmdb.glob("defrag-*")), crash.step
        backend.close()
    return newest


def steps_of_a_copy(crashes: Crashes) -> int:
    """Return how many steps there were but for those of writes."""
    of_writes = {f"{when} {step}" for when in ("before", "after") for *_, step in OF_WRITES}
    return sum(crash.step not in of_writes for crash in list(crashes.seen))


async def test_everything_acknowledged_is_there_after_a_crash_at_any_step(
    tmp_path: Path, crashes: Crashes, steps: Any
) -> None:
    crashes.wanted = lambda step: False
    writer = Writer(tmp_path / "data", crashes)
    for _ in range(2 * KEPT):
        await writer.write()
    crashes.wanted = lambda step: True
    defragmenter = Defragmenter(writer.log, writer.backend, MovableClock())
    for _ in range(2):
        task = asyncio.create_task(defragmenter.defragment())
        while not task.done():
            before = steps_of_a_copy(crashes)
            for _ in range(5):
                await writer.write()
            # However long the next takes: what is written meanwhile is copied at each step.
            await until(lambda: task.done() or steps_of_a_copy(crashes) > before)  # noqa: B023
        await task
    for _ in range(5):
        await writer.write()
    await writer.close()
    crashes.end()
    seen = {crash.step for crash in crashes.seen}
    assert seen >= {f"{when} {step}" for when in ("before", "after") for *_, step in steps}
    newest = [check(crash) for crash in crashes.seen]
    assert newest == sorted(newest)
    assert newest[-1] == writer.revision


async def test_a_lock_file_of_the_old_database_beside_the_new_one_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash between the two renames leaves."""
    crashes = Crashes(tmp_path / "data", tmp_path / "copies")
    writer = Writer(tmp_path / "data", crashes)
    for _ in range(2 * KEPT):
        await writer.write()
    replaced: list[Path] = []
    replace = Path.replace

    def replace_one(path: Path, target: Path) -> Any:
        replaced.append(path)
        return replace(path, target) if path.name == "data.mdb" else None

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_one)
        await soon(Defragmenter(writer.log, writer.backend, MovableClock()).defragment())
    assert [path.name for path in replaced] == ["data.mdb", "lock.mdb"]
    await writer.close()
    assert check(Crash("the start", tmp_path / "data", writer.revision)) == writer.revision
