"""
A crash between any two steps on the way to the disk.

Every write to a file is taken for a step, whichever thread makes it. Before and after each the data
directory is copied: that is what a killed process would leave. Each copy must open
with a prefix of what was written that has everything acknowledged by then.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, checkpoint
from etcdpy.storage.journal import _Segment
from etcdpy.storage.transaction import WriteTransaction
from tests.unit.storage.crashes import Crash, Crashes
from tests.unit.storage.material import as_after_a_crash, open_log, put, revisions_in, row_key, soon

SEGMENT_BYTES = 4 << 10
WRITES = 40


@pytest.fixture
def crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crashes:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 3000)
    monkeypatch.setattr(checkpoint, "LARGEST_CHECKPOINT", 6000)
    crashes = Crashes(tmp_path / "data", tmp_path / "copies")
    write = crashes.in_the_middle(_Segment.write, "a journal write")
    monkeypatch.setattr(_Segment, "write", crashes.around(write, "a journal write"))
    commit = crashes.around(WriteTransaction.commit, "a checkpoint's commit")
    monkeypatch.setattr(WriteTransaction, "commit", commit)
    return crashes


async def write_everything(data_dir: Path, crashes: Crashes) -> None:
    """Write revisions 2 to WRITES, deleting the one five before, and close."""
    backend = Backend.open(data_dir, segment_bytes=SEGMENT_BYTES)
    log = open_log(backend)
    for revision in range(2, WRITES + 1):
        log.batch.puts[Bucket.META, b"consistent_index"] = b"%d" % revision
        if revision > 7:
            log.batch.drops.append(row_key(revision - 5))
        durable = put(log, revision, b"%d " % revision * 150)
        if revision % 3:
            await soon(durable)
            crashes.acknowledged = revision
    await soon(log.close())
    crashes.acknowledged = WRITES
    backend.close()


def check(crash: Crash) -> int:
    """Open what is left, twice, and return the newest revision in it."""
    backend = Backend.open(crash.left, segment_bytes=SEGMENT_BYTES, fsync=False)
    backend.close()
    backend = Backend.open(crash.left, segment_bytes=SEGMENT_BYTES, fsync=False)
    revisions = revisions_in(backend)
    index = int(backend.get(Bucket.META, b"consistent_index") or b"1")
    newest = revisions[-1] if revisions else 1
    oldest = 2 if newest <= 7 else newest - 4
    if newest > 7:
        assert revisions[-5:] == list(range(oldest, newest + 1)), crash.step
    else:
        assert revisions == list(range(oldest, newest + 1)), crash.step
    assert newest >= crash.acknowledged, crash.step
    assert index == newest, crash.step
    for revision in revisions:
        assert backend.row(row_key(revision)) == b"%d " % revision * 150
    backend.close()
    return newest


async def test_everything_acknowledged_is_there_after_a_crash_at_any_step(
    tmp_path: Path, crashes: Crashes
) -> None:
    await write_everything(tmp_path / "data", crashes)
    crashes.end()
    steps = {crash.step for crash in crashes.seen}
    assert {"in the middle of a journal write", "after a checkpoint's commit"} <= steps
    newest = [check(crash) for crash in crashes.seen]
    assert newest == sorted(newest)
    assert newest[-1] == WRITES


async def test_a_crash_while_recovering_from_a_crash_loses_nothing(
    tmp_path: Path, crashes: Crashes
) -> None:
    crashes.wanted = lambda step: step == "before a checkpoint's commit"
    await write_everything(tmp_path / "data", crashes)
    crashes.end()
    unclean = crashes.seen[-1]
    again = Crashes(unclean.left, tmp_path / "copies again")
    again.acknowledged = unclean.acknowledged
    with pytest.MonkeyPatch.context() as patched:
        commit = again.around(WriteTransaction.commit, "the commit of a replay")
        patched.setattr(WriteTransaction, "commit", commit)
        check(unclean)
    again.end()
    assert len(again.seen) >= 2
    for crash in again.seen:
        check(crash)


async def test_work_goes_on_after_a_crash_in_any_write(tmp_path: Path, crashes: Crashes) -> None:
    """A second run on what the first left reuses its journal, and is itself killed."""
    crashes.wanted = lambda step: step.startswith("in the middle")
    await write_everything(tmp_path / "data", crashes)
    assert crashes.seen
    crashes.end()
    for number, crash in enumerate(crashes.seen):
        backend = Backend.open(crash.left, segment_bytes=SEGMENT_BYTES, fsync=False)
        log = open_log(backend)
        revisions = revisions_in(backend)
        for revision in range(100, 103):
            await soon(put(log, revision, b"again"))
        left = as_after_a_crash(crash.left, tmp_path / "second" / str(number))
        await soon(log.close())
        backend.close()
        after = Backend.open(left, segment_bytes=SEGMENT_BYTES, fsync=False)
        assert revisions_in(after) == [*revisions, 100, 101, 102], crash.step
        after.close()
