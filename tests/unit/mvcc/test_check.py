"""The check finds what is wrong, says so, and finds nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etcdpy.mvcc.check import CheckReport, InconsistentError, main, verify, verify_source
from etcdpy.mvcc.invariants import switch
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION
from etcdpy.mvcc.revision import row_key, tombstone_key
from etcdpy.mvcc.store import CONSISTENT_INDEX
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage import Bucket, DataDirError
from tests.unit.mvcc.fake_log import Disk
from tests.unit.mvcc.real_log import opened_store
from tests.unit.mvcc.stores import delete, new_store, put, settle, worked_example


async def sound_disk() -> Disk:
    """Return a=1, b=2, c=3, a=9 at 2 to 5, and the deletion of b at 6."""
    async with new_store() as (store, log):
        await worked_example(store, log)
        delete(store, b"b")
        await settle(log)
        return log.disk


def rewrite(disk: Disk, main: int, **fields: object) -> None:
    kv = KeyValue.FromString(disk.key_rows[row_key(main, 0)])
    for name, value in fields.items():
        setattr(kv, name, value)
    disk.key_rows[row_key(main, 0)] = kv.SerializeToString()


def mark(disk: Disk, scheduled: int, finished: int) -> object:
    disk.values[Bucket.META, SCHEDULED_COMPACTION] = row_key(scheduled, 0)
    disk.values[Bucket.META, FINISHED_COMPACTION] = row_key(finished, 0)
    return None


async def test_sound_store_is_reported() -> None:
    assert verify_source(await sound_disk()) == CheckReport(
        revision=6, compact_revision=-1, consistent_index=5, keys=2, rows=5
    )


async def test_empty_store_is_sound() -> None:
    assert verify_source(Disk()) == CheckReport(1, -1, 0, 0, 0)


DAMAGE: dict[str, tuple[Callable[[Disk], object], str]] = {
    "no row key": (lambda disk: disk.key_rows.update({b"x" * 17: b""}), "not a row key"),
    "no KeyValue": (lambda disk: disk.key_rows.update({row_key(5, 0): b"\xff"}), "no KeyValue"),
    "no key": (lambda disk: rewrite(disk, 4, key=b""), "no key"),
    "mod_revision": (lambda disk: rewrite(disk, 4, mod_revision=3), "mod_revision is 3"),
    "create_revision": (lambda disk: rewrite(disk, 5, create_revision=6), "create_revision is 6"),
    "other create": (lambda disk: rewrite(disk, 5, create_revision=3), "not 2 and 2"),
    "version 0": (lambda disk: rewrite(disk, 4, version=0), "version is 0"),
    "version skipped": (lambda disk: rewrite(disk, 5, version=3), "not 2 and 2"),
    "row missing": (lambda disk: disk.key_rows.pop(row_key(4, 0)), "rows are missing between"),
    "first row missing": (lambda disk: disk.key_rows.pop(row_key(2, 0)), "rows are missing"),
    "sub missing": (
        lambda disk: disk.key_rows.update(
            {
                row_key(7, 1): KeyValue(
                    key=b"x", create_revision=7, mod_revision=7, version=1
                ).SerializeToString()
            }
        ),
        "rows are missing between 6/0 and 7/1",
    ),
    "full tombstone": (
        lambda disk: disk.key_rows.update(
            {tombstone_key(6, 0): KeyValue(key=b"b", value=b"x").SerializeToString()}
        ),
        "a tombstone with more than a key",
    ),
    "second tombstone": (
        lambda disk: disk.key_rows.update(
            {tombstone_key(7, 0): KeyValue(key=b"b").SerializeToString()}
        ),
        "deletion at 7/0 of a key that does not exist",
    ),
    "put and tombstone at once": (
        lambda disk: disk.key_rows.update(
            {tombstone_key(5, 0): KeyValue(key=b"a").SerializeToString()}
        ),
        "does not come after",
    ),
    "row left over": (lambda disk: mark(disk, 5, 5), "compaction left a put at 2/0"),
    "tombstone left over": (
        lambda disk: mark(disk, 7, 7) or disk.key_rows.pop(row_key(3, 0)),
        "compaction left a deletion at 6/0",
    ),
    "never scheduled": (
        lambda disk: disk.values.update({(Bucket.META, FINISHED_COMPACTION): row_key(1, 0)}),
        "never scheduled",
    ),
    "bad mark": (
        lambda disk: disk.values.update({(Bucket.META, SCHEDULED_COMPACTION): b"5"}),
        "scheduledCompactRev: not a row key",
    ),
    "index lost": (
        lambda disk: disk.values.update({(Bucket.META, CONSISTENT_INDEX): bytes(8)}),
        "consistent_index is 0 at revision 6",
    ),
    "index cut": (
        lambda disk: disk.values.update({(Bucket.META, CONSISTENT_INDEX): b"\xff"}),
        "consistent_index is no 64-bit number",
    ),
    "term": (
        lambda disk: disk.values.update({(Bucket.META, b"term"): bytes(8)}),
        "term is 0",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found(name: str) -> None:
    damage, finding = DAMAGE[name]
    disk = await sound_disk()
    damage(disk)
    with pytest.raises(InconsistentError) as caught:
        verify_source(disk)
    assert any(finding in line for line in caught.value.findings), caught.value.findings


async def test_compaction_half_done_is_sound() -> None:
    disk = await sound_disk()
    disk.values[Bucket.META, SCHEDULED_COMPACTION] = row_key(6, 0)
    assert verify_source(disk).compact_revision == 6
    del disk.key_rows[row_key(2, 0)]
    assert verify_source(disk).rows == 4


async def test_bumped_revision_is_sound() -> None:
    disk = await sound_disk()
    disk.key_rows[row_key(1006, 0)] = b""
    disk.values[Bucket.META, SCHEDULED_COMPACTION] = row_key(1006, 0)
    assert verify_source(disk) == CheckReport(1006, 1006, 5, keys=2, rows=6)
    disk.key_rows[row_key(2006, 0)] = b""
    disk.values[Bucket.META, SCHEDULED_COMPACTION] = row_key(2006, 0)
    assert verify_source(disk) == CheckReport(2006, 2006, 5, keys=2, rows=7)


async def test_empty_row_that_is_not_compacted_is_damage() -> None:
    disk = await sound_disk()
    disk.key_rows[row_key(7, 0)] = b""
    with pytest.raises(InconsistentError, match="row 7/0: no key"):
        verify_source(disk)


async def test_data_directory_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opened_store(tmp_path) as (store, _):
        put(store, (b"a", b"1"), (b"b", b"2"))
    assert verify(tmp_path).keys == 2
    assert main([str(tmp_path)]) == 0
    assert "revision=2" in capsys.readouterr().out


async def test_damaged_data_directory_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "are_checked", False)
    async with opened_store(tmp_path, is_damaged=True) as (_, log):
        log.batch.rows[row_key(3, 0)] = KeyValue(key=b"a").SerializeToString()
        log.flush_soon()
    assert main([str(tmp_path)]) == 1
    assert "rows are missing between 1/0 and 3/0" in capsys.readouterr().err


def test_directory_without_a_store_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="no store in"):
        verify(tmp_path)
    assert not list(tmp_path.iterdir())
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
