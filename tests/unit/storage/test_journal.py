from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etcdpy.storage import DataDirError, StorageError
from etcdpy.storage import journal as journals
from etcdpy.storage.journal import SEGMENTS, SMALL_WRITE, Journal, Payload
from tests.unit.storage.material import SEGMENT_BYTES, disk_refusing_writes

DATABASE = 0x1234


def open_journal(directory: Path, applied: int = 0, database: int = DATABASE) -> Journal:
    return Journal(directory, database, applied, segment_bytes=SEGMENT_BYTES)


def new_journal(directory: Path) -> Journal:
    journal = open_journal(directory)
    journal.clear()
    return journal


def append(journal: Journal, *batches: bytes) -> int:
    return journal.append([Payload.of(batch) for batch in batches])


def replayed(directory: Path, applied: int = 0) -> list[tuple[int, list[bytes]]]:
    journal = open_journal(directory, applied)
    try:
        return [(frame.sequence, frame.batches) for frame in journal.replay()]
    finally:
        journal.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = new_journal(tmp_path)
    yield journal
    journal.close()


def fill_ring(journal: Journal) -> int:
    """Append until the next frame would have to wait; return the last sequence."""
    sequence = 0
    while not (journal.full and sequence % 4 == 0):
        sequence = append(journal, b"x" * (SEGMENT_BYTES // 4 - 100))
    return sequence


def test_frames_come_back_in_order_with_their_batches(journal: Journal, tmp_path: Path) -> None:
    assert append(journal, b"one") == 1
    assert append(journal, b"two", b"", b"three") == 2
    assert replayed(tmp_path) == [(1, [b"one"]), (2, [b"two", b"", b"three"])]


def test_a_frame_written_at_once_is_like_any_other(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    assert journal.append_at_once(Payload.of(b"two")) == 2
    append(journal, b"three")
    assert replayed(tmp_path) == [(1, [b"one"]), (2, [b"two"]), (3, [b"three"])]


def test_what_needs_another_segment_is_not_written_at_once(
    journal: Journal, tmp_path: Path
) -> None:
    assert journal.append_at_once(Payload.of(b"one")) is None, "no segment is in use yet"
    append(journal, b"one")
    assert journal.append_at_once(Payload.of(bytes(SEGMENT_BYTES))) is None
    assert replayed(tmp_path) == [(1, [b"one"])]


def test_the_pace_follows_small_writes(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0008, 1.0, 1.0, 2.0, 7.0, 8.0, 9.0])
    monkeypatch.setattr("etcdpy.storage.journal.stopwatch", lambda: next(clock))
    append(journal, b"first")
    assert journal.pace == pytest.approx(0.0008)
    append(journal, b"second")
    assert journal.pace == pytest.approx(0.0007)
    append(journal, bytes(SMALL_WRITE))
    assert journal.pace == pytest.approx(0.0007), "a large one tells of throughput"
    append(journal, b"third")
    assert journal.pace < 0.0012, "a single slow one is an exception"


def test_replaying_twice_gives_the_same(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    assert replayed(tmp_path) == replayed(tmp_path) == [(1, [b"one"])]


def test_what_is_applied_is_not_replayed(journal: Journal, tmp_path: Path) -> None:
    for name in (b"one", b"two", b"three"):
        append(journal, name)
    assert replayed(tmp_path, applied=2) == [(3, [b"three"])]
    assert replayed(tmp_path, applied=3) == []


def test_sequences_go_on_where_the_last_run_ended(tmp_path: Path) -> None:
    first = new_journal(tmp_path)
    append(first, b"one")
    first.close()
    second = open_journal(tmp_path)
    assert [frame.sequence for frame in second.replay()] == [1]
    second.clear()
    assert append(second, b"two") == 2
    second.close()
    assert replayed(tmp_path, applied=1) == [(2, [b"two"])]


def test_a_write_neither_grows_nor_allocates(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    path = tmp_path / "0.journal"
    before = path.stat()
    append(journal, b"two" * 500)
    after = path.stat()
    assert (before.st_size, before.st_blocks) == (after.st_size, after.st_blocks)
    assert after.st_size == SEGMENT_BYTES
    assert after.st_blocks * 512 >= SEGMENT_BYTES


def test_segment_files_are_private(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    assert (tmp_path / "0.journal").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc how the file is open")
@pytest.mark.parametrize("fsync", [True, False])
def test_writes_wait_for_the_disk_unless_told_not_to(tmp_path: Path, fsync: bool) -> None:
    journal = Journal(tmp_path, DATABASE, 0, fsync=fsync, segment_bytes=SEGMENT_BYTES)
    journal.clear()
    append(journal, b"one")
    segment = tmp_path / "0.journal"
    (descriptor,) = (
        number.name for number in Path("/proc/self/fd").iterdir() if number.resolve() == segment
    )
    _, flags = re.findall(r"^(pos|flags):\t(\d+)$", _fdinfo(descriptor), re.MULTILINE)
    assert bool(int(flags[1], 8) & os.O_DSYNC) is fsync
    journal.close()


def test_released_segments_are_used_again(journal: Journal, tmp_path: Path) -> None:
    for _ in range(200):
        journal.release(append(journal, b"x" * 1000))
    assert len(list(tmp_path.iterdir())) == SEGMENTS
    assert [sequence for sequence, _ in replayed(tmp_path, applied=190)] == list(range(191, 201))


def test_a_full_ring_keeps_everything(journal: Journal, tmp_path: Path) -> None:
    last = fill_ring(journal)
    assert [sequence for sequence, _ in replayed(tmp_path)] == list(range(1, last + 1))


def test_a_full_journal_waits_until_space_is_released(journal: Journal) -> None:
    last = fill_ring(journal)
    appended: list[int] = []
    writer = threading.Thread(target=lambda: appended.append(append(journal, b"x" * 3000)))
    writer.start()
    writer.join(0.05)
    assert appended == []
    journal.release(last)
    writer.join(60)
    assert appended == [last + 1]


def test_a_full_journal_fails_once_it_cannot_be_emptied(journal: Journal) -> None:
    fill_ring(journal)
    journal.give_up()
    with pytest.raises(StorageError, match="full"):
        append(journal, b"x" * 3000)


def test_a_frame_larger_than_a_segment_makes_room_for_itself(
    journal: Journal, tmp_path: Path
) -> None:
    append(journal, b"small")
    huge = bytes(range(256)) * (SEGMENT_BYTES // 64)
    append(journal, huge)
    append(journal, b"small again")
    assert [batches for _, batches in replayed(tmp_path)] == [[b"small"], [huge], [b"small again"]]


def test_a_segment_made_large_shrinks_when_used_again(journal: Journal, tmp_path: Path) -> None:
    journal.release(append(journal, b"x" * 3 * SEGMENT_BYTES))
    for _ in range(SEGMENTS * 8):
        journal.release(append(journal, b"x" * 1000))
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {SEGMENT_BYTES}


def test_a_cleared_journal_has_nothing_to_replay(journal: Journal, tmp_path: Path) -> None:
    last = fill_ring(journal)
    journal.release(last)
    journal.clear()
    assert replayed(tmp_path, applied=last) == []


def test_a_frame_torn_at_any_byte_leaves_those_before_it(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"first", b"second")
    path = tmp_path / "0.journal"
    before = path.read_bytes()
    append(journal, b"torn", b"frame")
    after = path.read_bytes()
    start, end = _difference(before, after)
    for cut in range(start, end):
        path.write_bytes(after[:cut] + before[cut:])
        assert replayed(tmp_path) == [(1, [b"first", b"second"])], cut
        # The disk may also have written the end and not the beginning.
        path.write_bytes(before[: cut + 1] + after[cut + 1 :])
        assert replayed(tmp_path) == [(1, [b"first", b"second"])], cut
    path.write_bytes(after)
    assert len(replayed(tmp_path)) == 2


def test_a_file_cut_off_at_any_byte_leaves_whole_frames(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"first")
    append(journal, b"second")
    path = tmp_path / "0.journal"
    data = path.read_bytes()
    whole = [(1, [b"first"]), (2, [b"second"])]
    for length in range(40, len(data.rstrip(b"\0"))):
        path.write_bytes(data[:length])
        assert replayed(tmp_path) in (whole[:0], whole[:1])


def test_a_new_run_after_a_torn_frame_is_read_back(tmp_path: Path) -> None:
    first = new_journal(tmp_path)
    append(first, b"kept")
    append(first, b"x" * 500)
    first.close()
    path = tmp_path / "0.journal"
    path.write_bytes(path.read_bytes().replace(b"x" * 500, b"x" * 499 + b"y"))
    second = open_journal(tmp_path)
    assert [frame.batches for frame in second.replay()] == [[b"kept"]]
    second.clear()
    assert append(second, b"short") == 2
    second.close()
    assert replayed(tmp_path, applied=1) == [(2, [b"short"])]


def test_a_sequence_used_again_is_not_taken_for_the_torn_one(tmp_path: Path) -> None:
    """The torn frame was the first of its segment, so that a header bears witness to it."""
    first = new_journal(tmp_path)
    large = b"x" * (SEGMENT_BYTES * 3 // 4)
    append(first, large)
    append(first, large)
    first.close()
    torn = tmp_path / "1.journal"
    torn.write_bytes(torn.read_bytes()[: SEGMENT_BYTES // 2] + bytes(SEGMENT_BYTES // 2))
    second = open_journal(tmp_path)
    assert [frame.sequence for frame in second.replay()] == [1]
    second.clear()
    assert append(second, b"again") == 2
    second.close()
    assert replayed(tmp_path, applied=1) == [(2, [b"again"])]


def test_nothing_is_appended_to_what_an_earlier_run_left(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    other = open_journal(tmp_path)
    with pytest.raises(AssertionError):
        append(other, b"two")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_byte_never_makes_up_a_frame(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = new_journal(directory)
    for name in (b"one", b"two", b"three"):
        append(journal, name)
    journal.close()
    path = directory / "0.journal"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content.rstrip(b"\0")) + 20))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    whole = [(1, [b"one"]), (2, [b"two"]), (3, [b"three"])]
    with contextlib.suppress(DataDirError):
        assert replayed(directory) in (whole, whole[:2])


def test_a_lost_frame_with_a_valid_one_behind_it_is_damage(
    journal: Journal, tmp_path: Path
) -> None:
    for name in (b"one", b"two", b"three"):
        append(journal, name)
    _change(tmp_path / "0.journal", b"two", b"twO")
    with pytest.raises(DataDirError, match=r"damaged: .*0\.journal"):
        replayed(tmp_path)
    assert replayed(tmp_path, applied=3) == [], "what is in LMDB is not missed"


def test_a_missing_segment_is_damage(journal: Journal, tmp_path: Path) -> None:
    fill_ring(journal)
    (tmp_path / "1.journal").unlink()
    with pytest.raises(DataDirError, match="damaged"):
        replayed(tmp_path)


def test_a_broken_header_is_damage(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    _change(tmp_path / "0.journal", b"etcdpyJ1", b"etcdpyJ2")
    with pytest.raises(DataDirError, match="damaged"):
        replayed(tmp_path)


def test_another_databases_journal_is_refused(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    other = open_journal(tmp_path, database=DATABASE + 1)
    with pytest.raises(DataDirError, match="another database"):
        list(other.replay())


def test_a_segment_half_overwritten_by_its_next_use_is_no_damage(tmp_path: Path) -> None:
    """A power failure may keep the old header and yet take old, applied frames."""
    journal = new_journal(tmp_path)
    for name in (b"one", b"two", b"three"):
        append(journal, name)
    journal.close()
    _change(tmp_path / "0.journal", b"one", b"new")
    assert replayed(tmp_path, applied=3) == []


def test_a_value_that_looks_like_a_frame_is_not_taken_for_one(tmp_path: Path) -> None:
    """A client's value holds a copied frame just where the torn tail is looked at."""
    journal = new_journal(tmp_path)
    append(journal, b"one")
    append(journal, b"two")
    path = tmp_path / "0.journal"
    frames = path.read_bytes()[40:].rstrip(b"\0")
    journal.release(2)
    journal.close()
    again = new_journal(tmp_path)
    assert append(again, b"one") == 1
    again.close()
    content = bytearray(path.read_bytes())
    first_frame = len(frames) // 2
    # The second frame of the earlier use, in its place: all is right but the salt.
    content[40 + first_frame : 40 + len(frames)] = frames[first_frame:]
    path.write_bytes(content)
    assert replayed(tmp_path) == [(1, [b"one"])]


def test_a_write_the_disk_refuses_raises(journal: Journal, tmp_path: Path) -> None:
    append(journal, b"one")
    with disk_refusing_writes(), pytest.raises(StorageError, match=r"0\.journal"):
        append(journal, b"two")
    assert replayed(tmp_path) == [(1, [b"one"])]


def _fdinfo(descriptor: str) -> str:
    return Path("/proc/self/fdinfo", descriptor).read_text()


def _difference(one: bytes, other: bytes) -> tuple[int, int]:
    places = [n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    return places[0], places[-1]


def _change(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def test_every_file_is_open_before_the_first_frame(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Not one descriptor more, whoever has taken them.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        for sequence in range(1, 6 * SEGMENTS):
            assert append(journal, b"x" * (SEGMENT_BYTES // 2)) == sequence
            journal.release(sequence)
            journal.prepare_ahead()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        journal.close()


def test_segment_is_filled_piece_by_piece_behind_its_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "FIRST_PIECE", SEGMENT_BYTES // 8)
    monkeypatch.setattr(journals, "PIECE", SEGMENT_BYTES // 4)
    journal = new_journal(tmp_path)
    first = tmp_path / "0.journal"
    append(journal, b"first")
    assert first.stat().st_size == SEGMENT_BYTES // 8
    # This one goes beyond what is filled, and what is filled next begins behind it.
    append(journal, b"x" * (SEGMENT_BYTES // 2))
    assert first.stat().st_size > SEGMENT_BYTES // 2
    assert journal.prepare_ahead()
    while journal.prepare_ahead():
        pass
    append(journal, b"last")
    journal.close()
    assert first.stat().st_size == SEGMENT_BYTES
    batches = [batch for _, (batch,) in replayed(tmp_path)]
    assert batches == [b"first", b"x" * (SEGMENT_BYTES // 2), b"last"]


def test_segments_are_filled_one_behind_the_other(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    append(journal, b"first")
    while not all(path.stat().st_size for path in tmp_path.iterdir()):
        assert not journal.prepare_ahead()  # no piece of it is left, at this size
    assert not journal.prepare_ahead()
    journal.close()
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {SEGMENT_BYTES}


def test_an_empty_file_is_one_that_was_never_used(tmp_path: Path) -> None:
    new_journal(tmp_path).close()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0] * SEGMENTS
    assert replayed(tmp_path) == []
