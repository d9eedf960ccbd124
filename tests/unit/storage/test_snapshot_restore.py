from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, DataDirError
from etcdpy.storage import snapshot_restore as module
from etcdpy.storage.bolt_read import BoltError, BoltReader
from etcdpy.storage.snapshot_restore import restore_snapshot
from tests.unit.storage.bolt_material import Content, make_file
from tests.unit.storage.material import revisions_in, row_key
from tests.unit.storage.syncs import recorded

MEMBERS = {b"0000000000000001": b'{"id":1}'}
ONE = (1).to_bytes(8, "big")

CONTENT: Content = {
    b"alarm": [(b"\x08\x01\x10\x01", b"")],
    b"auth": [(b"authEnabled", b"\x01"), (b"authRevision", ONE)],
    b"authRoles": [(b"root", b"role")],
    b"authUsers": [(b"root", b"user")],
    b"cluster": [(b"clusterVersion", b"3.7.0")],
    b"key": [(row_key(2), b"a"), (row_key(3), b"b"), (row_key(3, 1) + b"t", b"c")],
    b"lease": [(ONE, b"lease")],
    b"members": [(b"00000000000000ff", b"{}")],
    b"members_removed": [(b"00000000000000fe", b"removed")],
    b"meta": [
        (b"confState", b"{}"),
        (b"consistent_index", b"\0" * 7 + b"\x09"),
        (b"finishedCompactRev", row_key(2)),
        (b"storageVersion", b"3.7.0"),
        (b"term", b"\0" * 7 + b"\x08"),
    ],
}


def restore(data_dir: Path, content: Content = CONTENT, bump_revision: int = 0) -> None:
    reader = BoltReader(make_file(content))
    restore_snapshot(reader, data_dir, MEMBERS, bump_revision=bump_revision)


def content_of(data_dir: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    backend = Backend.open(data_dir)
    try:
        return {bucket.value: list(backend.items(bucket)) for bucket in Bucket}
    finally:
        backend.close()


def test_everything_is_taken_over_but_who_the_members_were(tmp_path: Path) -> None:
    restore(tmp_path / "data")
    found = content_of(tmp_path / "data")
    for name in ("alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease"):
        assert found[name] == CONTENT[name.encode()], name
    assert found["members"] == list(MEMBERS.items())
    assert found["members_removed"] == []


def test_the_log_of_the_new_member_begins_anew(tmp_path: Path) -> None:
    restore(tmp_path / "data")
    assert content_of(tmp_path / "data")["meta"] == [
        (b"confState", b"{}"),
        (b"consistent_index", ONE),
        (b"finishedCompactRev", row_key(2)),
        (b"storageVersion", b"3.7.0"),
        (b"term", ONE),
    ]


def test_a_bump_adds_an_empty_row_and_marks_a_compaction_there(tmp_path: Path) -> None:
    restore(tmp_path / "data", bump_revision=1000)
    found = content_of(tmp_path / "data")
    assert found["key"] == [*CONTENT[b"key"], (row_key(1003), b"")]
    assert dict(found["meta"])[b"scheduledCompactRev"] == row_key(1003)


def test_a_bump_of_an_empty_store_counts_from_zero(tmp_path: Path) -> None:
    restore(tmp_path / "data", {b"key": [], b"meta": []}, bump_revision=7)
    assert content_of(tmp_path / "data")["key"] == [(row_key(7), b"")]


def test_buckets_that_are_missing_are_made(tmp_path: Path) -> None:
    restore(tmp_path / "data", {})
    found = content_of(tmp_path / "data")
    assert found["meta"] == [(b"consistent_index", ONE), (b"term", ONE)]


def test_a_long_restore_goes_in_several_loads_and_tells_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOAD_BYTES", 10_000)
    rows = [(row_key(revision), b"x" * 1_000) for revision in range(2, 102)]
    told: list[int] = []
    reader = BoltReader(make_file({b"key": rows}))
    restore_snapshot(reader, tmp_path / "data", MEMBERS, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 5
    backend = Backend.open(tmp_path / "data")
    assert revisions_in(backend) == list(range(2, 102))
    backend.close()


@pytest.mark.parametrize("way", ["", "data", "some/where/far/data"])
def test_every_new_name_is_durable_when_it_is_restored(tmp_path: Path, way: str) -> None:
    with recorded(tmp_path) as syncs:
        restore(tmp_path / way)
        assert syncs.owed() == {}
    assert syncs.counts[tmp_path] >= 1


def test_an_empty_directory_may_be_there_already(tmp_path: Path) -> None:
    restore(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["member"]


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(DataDirError, match=r'data-dir ".*" not empty or could not be read'):
        restore(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious"]


def test_what_is_made_is_private(tmp_path: Path) -> None:
    restore(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "member").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param({b"key": [(b"no revision", b"")]}, "no revision", id="a strange row"),
        pytest.param({b"authUsers": [(b"u" * 512, b"")]}, "longer than 511", id="a long name"),
    ],
)
def test_a_restore_that_fails_leaves_nothing(
    tmp_path: Path, content: Content, complaint: str, is_new: bool
) -> None:
    data_dir = tmp_path / "data" if is_new else tmp_path
    with pytest.raises(BoltError, match=complaint):
        restore(data_dir, content)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_leaves_nothing(tmp_path: Path) -> None:
    file = bytearray(make_file({b"key": [(row_key(n), b"x" * 999) for n in range(2, 100)]}))
    # Only the last leaf is damaged: what comes before it is loaded by then.
    file[file.rindex(b"_" + bytes(8)) - 1] = 0
    with pytest.raises(BoltError, match="order"):
        restore_snapshot(BoltReader(bytes(file)), tmp_path / "data", MEMBERS)
    assert list(tmp_path.iterdir()) == []
