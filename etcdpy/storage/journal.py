"""
The journal: where batches become durable, one write a group.

A ring of preallocated files. A group of batches is one *frame*: written by one
``pwrite`` on a descriptor opened with ``O_DSYNC``, so that the committer needs
the interpreter only before and after, however large the group. Preallocated
means written with zeros once: then a frame changes no file size and allocates
no block, and the disk has one thing to do, not two (measured: 120 us instead
of 280 us for 35 kB). It is done in pieces, the first of them small, so that a
start does not wait for all of it. Once a checkpoint has the frames of a segment in LMDB, the
segment is written anew from its start.

::

    segment  := header frame* (zeros | remains of an earlier use)
    header   := "etcdpyJ1" | u64 database | u64 salt | u64 first sequence | u32 crc | u32 zero
    frame    := u32 crc | u32 batches | u64 sequence | (u32 length | u32 crc)[batches] | batch*

    crc of a frame covers the salt and everything from ``batches`` to the last batch's crc.

Sequences count frames and never repeat among frames that were acknowledged. The
salt is new with every use of a segment, so nothing left behind by an earlier
use, and no value a client chose, passes for a frame.

Only one frame is ever being written. Hence at the end of what is valid there
may be one torn frame, which nobody was told of; anything valid behind it
proves damage instead.

A run begins by applying what the run before it left, then clearing it: a
journal never holds frames of two runs, which could have the same sequence when
the first of them ended with a torn one.
"""

from __future__ import annotations

import errno
import math
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from etcdpy.clock import stopwatch
from etcdpy.counters import Histogram, doubling
from etcdpy.storage.datadir import PRIVATE_FILE, sync_directory
from etcdpy.storage.errors import DataDirError, DiskFullError, StorageError

SEGMENTS = 4
#: Four of them bound what a start has to replay, and what waits in memory for a checkpoint.
SEGMENT_BYTES = 4 << 20
#: How much of a segment is filled with zeros at once: for the first frame, which a start waits
#: for, and later, while others may come to wait.
FIRST_PIECE = 64 << 10
PIECE = 1 << 20
#: The bytes of a frame that is a matter of the disk's latency alone.
SMALL_WRITE = 4 << 10
#: How often a full disk is tried again.
ROOM_CHECK_SECONDS = 1.0
#: How much the latest write counts in ``Journal.pace``, and the most it counts for, in
#: seconds: one that took long among many quick ones says little of the next.
PACE_SHARE = 1 / 8
LONGEST_PACE = 0.004

_MAGIC = b"etcdpyJ1"
_HEADER = struct.Struct("<8sQQQII")
_FRAME = struct.Struct("<IIQ")
_ENTRY = struct.Struct("<II")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Payload(NamedTuple):
    """An encoded batch; the checksum is made where it was encoded, off the committer's path."""

    data: bytes
    crc: int

    @classmethod
    def of(cls, data: bytes) -> Payload:
        return cls(data, zlib.crc32(data))


class Frame(NamedTuple):
    """A group as read back."""

    sequence: int
    batches: list[bytes]


class Journal:
    """
    The ring of segments. One thread at a time appends.

    Args:
        directory: Where the segment files are; it exists.
        database: Identifies the LMDB environment the frames belong to.
        applied: The newest sequence already in LMDB: everything up to it is
            skipped by ``replay``, and its space is free.
        fsync: Whether ``append`` waits for the disk.
        segment_bytes: Size of a segment. A larger frame makes its segment larger.

    """

    def __init__(
        self,
        directory: Path,
        database: int,
        applied: int,
        *,
        fsync: bool = True,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self._database = database
        self._fsync = fsync
        self._capacity = segment_bytes
        self._segments = [_Segment(directory / f"{n}.journal") for n in range(SEGMENTS)]
        self._cleared = False
        # The first frame will find the "current" segment full and take the next.
        self._current = SEGMENTS - 1
        self._offset = segment_bytes
        self._salt = b""
        self._applied = applied
        self._released = applied
        self._sequence = applied
        self._changed = threading.Condition()
        self._given_up = False
        self._ending = False
        #: Seconds that small writes lately took, infinite until there was one.
        self.pace = math.inf
        #: Seconds that writes took, each of one frame, and the bytes of them.
        self.writes = Histogram(doubling(0.001, 14))
        self.written = 0
        #: Called by ``append``, on its thread, each time it finds no room on the disk.
        self.on_full: Callable[[], None] = lambda: None

    def replay(self) -> Iterator[Frame]:
        """
        Yield the frames not yet in LMDB, oldest first. Then apply them, and ``clear``.

        Raises:
            DataDirError: If the journal is damaged, or belongs to another database.

        """
        used = sorted(self._headers(), key=lambda item: item[0].first)
        for place, (header, segment) in enumerate(used, 1):
            if place < len(used) and used[place][0].first <= self._applied + 1:
                continue  # All of it is applied: the next one begins no later than that.
            if header.first > self._sequence + 1:
                raise _damaged(segment.path, 0, f"frame {self._sequence + 1} is missing")
            for frame in segment.frames(header, self._applied):
                if frame.sequence > self._sequence:
                    self._sequence = frame.sequence
                    yield frame

    def append(self, payloads: Sequence[Payload]) -> int:
        """
        Write one frame and return its sequence; durable on return.

        Waits while no segment is free, that is, until ``release`` was called, and while
        there is no room on the disk, which only a segment's first use and a frame larger
        than a segment need. The journal has to be cleared first of what an earlier run left.

        Raises:
            StorageError: If it could not be written, or after ``give_up``.

        """
        assert self._cleared, "frames of two runs must not mix"
        start = b""
        # A frame is never divided. One that is larger than a segment begins one, and goes beyond
        # its end.
        if not self._fits(payloads):
            self._next_segment()
            start = self._new_header(self._sequence + 1)
        # In one write: a header of its own would be another wait for the disk.
        frame = start + self._frame(payloads)
        self._when_room(lambda: self._write(frame))
        return self._sequence

    def append_at_once(self, payload: Payload) -> int | None:
        """
        Do as ``append`` does, unless that could take more than one small write.

        Returns:
            None if it could; then nothing was written.

        Raises:
            StorageError: If it could not be written; ``append`` may try again.

        """
        if not self._fits((payload,)):
            return None
        self._write(self._frame((payload,)))
        return self._sequence

    def _fits(self, payloads: Sequence[Payload]) -> bool:
        size = _FRAME.size + sum(_ENTRY.size + len(data) for data, _ in payloads)
        return self._offset + size <= self._capacity

    def _frame(self, payloads: Sequence[Payload]) -> bytes:
        """Return the next frame, for the current segment."""
        entries = b"".join([_ENTRY.pack(len(data), crc) for data, crc in payloads])
        counted = _FRAME.pack(0, len(payloads), self._sequence + 1)[4:] + entries
        crc = zlib.crc32(counted, zlib.crc32(self._salt))
        return b"".join((_U32.pack(crc), counted, *[data for data, _ in payloads]))

    def _write(self, frame: bytes) -> None:
        start = stopwatch()
        segment = self._segments[self._current]
        segment.write(frame, self._offset)
        self._offset += len(frame)
        # Not before it is written: what a full disk refused is written again under the same number.
        self._sequence += 1
        segment.last = self._sequence
        took = stopwatch() - start
        self.writes.observe(took)
        self.written += len(frame)
        if len(frame) <= SMALL_WRITE:
            self._note_pace(took)

    def _note_pace(self, seconds: float) -> None:
        seconds = min(seconds, LONGEST_PACE)
        if self.pace == math.inf:
            self.pace = seconds
        else:
            self.pace += PACE_SHARE * (seconds - self.pace)

    def prepare_ahead(self) -> bool:
        """
        Allocate a piece of the next segment that needs it; belongs to the thread of ``append``.

        Once that is done for all of them the journal needs no more room: a full disk then
        is found by checkpoints, while the journal can still take what is on its way.

        Returns:
            Whether that segment needs more.

        """
        assert self._cleared, "what an earlier run left must not be cut"
        for place in range(SEGMENTS):
            segment = self._segments[(self._current + place) % SEGMENTS]
            if not segment.is_prepared:
                try:
                    segment.fill(self._capacity, PIECE)
                except DiskFullError:
                    self.on_full()
                    return False
                return not segment.is_prepared
        return False

    def end_waiting(self) -> None:
        """Make an ``append`` that finds no room on the disk fail, from now on."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def _when_room(self, write: Callable[[], None]) -> None:
        """Do what may find the disk full, again and again; it starts over where it began."""
        while True:
            try:
                return write()
            except DiskFullError:
                self.on_full()
                with self._changed:
                    # For real: a thread that waits for a disk has no loop to be woken on.
                    self._changed.wait_for(self._is_over, ROOM_CHECK_SECONDS)
                    if self._is_over():
                        raise

    def _is_over(self) -> bool:
        return self._given_up or self._ending

    def release(self, sequence: int) -> None:
        """Note that frames up to ``sequence`` are safe in LMDB: their space may be used again."""
        with self._changed:
            self._released = sequence
            self._changed.notify()

    def clear(self) -> None:
        """
        Mark all segments unused, once everything in them is safe in LMDB.

        All of them are open and have their names for good then: nothing that clients use up,
        such as descriptors, can keep ``append`` from one.

        Raises:
            OSError: If one of them cannot be opened.
            StorageError: If one of them cannot be written.

        """
        for segment in self._segments:
            segment.open(fsync=self._fsync)
            if segment.is_used():
                segment.clear()
        # fsync(2): syncing a file does not make its name durable.
        sync_directory(self._directory)
        self._cleared = True

    def give_up(self) -> None:
        """Make a waiting ``append`` fail: no space will ever come free."""
        with self._changed:
            self._given_up = True
            self._changed.notify()

    @property
    def full(self) -> bool:
        """Whether ``append`` could have to wait: the next segment is not free."""
        following = self._segments[(self._current + 1) % SEGMENTS]
        return following.last > self._released

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        for segment in self._segments:
            segment.close()

    def _next_segment(self) -> None:
        self._current = (self._current + 1) % SEGMENTS
        segment = self._segments[self._current]
        with self._changed:
            self._changed.wait_for(lambda: self._given_up or segment.last <= self._released)
            if self._given_up:
                raise StorageError("the journal is full and cannot be emptied")
        self._when_room(lambda: segment.take(self._capacity))
        self._offset = 0

    def _new_header(self, first: int) -> bytes:
        salt = secrets.randbits(64)
        self._salt = _U64.pack(salt)
        return _Header(self._database, salt, first).encode()

    def _headers(self) -> Iterator[tuple[_Header, _Segment]]:
        for segment in self._segments:
            header = segment.header()
            if header is None:
                continue
            if header.database != self._database:
                raise DataDirError(f"{segment.path} belongs to another database")
            yield header, segment


class _Header(NamedTuple):
    database: int
    salt: int
    first: int

    def encode(self) -> bytes:
        data = _HEADER.pack(_MAGIC, self.database, self.salt, self.first, 0, 0)
        return _HEADER.pack(_MAGIC, self.database, self.salt, self.first, zlib.crc32(data[:-8]), 0)

    @classmethod
    def decode(cls, data: bytes) -> _Header | None:
        """Return the header, or ``None`` if it is not one."""
        if len(data) < _HEADER.size:
            return None
        _, database, salt, first, _, _ = _HEADER.unpack_from(data)
        header = cls(database, salt, first)
        return header if header.encode() == data[: _HEADER.size] else None


class _Segment:
    """One file of the ring."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: The newest sequence written to it in this run.
        self.last = 0
        self.is_prepared = False
        self._descriptor = -1

    def open(self, *, fsync: bool) -> None:
        """Open for writing; an empty file is made where there is none."""
        if self._descriptor < 0:
            # open(2): with O_DSYNC a write returns when the disk has the data, and what it takes to
            # find it.
            flags = os.O_RDWR | os.O_CREAT | (os.O_DSYNC if fsync else 0)
            self._descriptor = os.open(self.path, flags, PRIVATE_FILE)

    def take(self, capacity: int) -> None:
        """Take into use, with nothing in it that is wanted any more."""
        if os.fstat(self._descriptor).st_size > capacity:
            # A frame larger than a segment was here once.
            os.ftruncate(self._descriptor, capacity)
        self.fill(capacity, FIRST_PIECE)

    def fill(self, capacity: int, piece: int) -> None:
        """
        Fill up to a piece more with zeros, behind all that is there; then no write allocates.

        A frame may go beyond what is filled: it takes the disk longer, and is as safe.
        """
        size = os.fstat(self._descriptor).st_size
        filled = min(size + piece, capacity)
        if size < filled:
            self.write(bytes(filled - size), size)
        self.is_prepared = filled == capacity

    def write(self, data: bytes, offset: int) -> None:
        try:
            written = os.pwrite(self._descriptor, data, offset)
            # pwrite(2) may write less than it is given.
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], offset + written)
        except OSError as error:
            kind = DiskFullError if error.errno in _NO_ROOM else StorageError
            raise kind(f"cannot write {self.path}: {error.strerror}") from error

    def clear(self) -> None:
        self.write(bytes(_HEADER.size), 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_used(self) -> bool:
        return any(self._head())

    def header(self) -> _Header | None:
        """Return how the segment begins, ``None`` if it was never used."""
        data = self._head()
        if not any(data):
            return None
        header = _Header.decode(data)
        if header is None:
            # It fits a disk sector, so not even a power failure tears it.
            raise _damaged(self.path, 0, "its header is not valid")
        return header

    def _head(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return file.read(_HEADER.size)
        except FileNotFoundError:
            return b""

    def frames(self, header: _Header, applied: int) -> Iterator[Frame]:
        """
        Yield the valid frames from the start.

        Raises:
            DataDirError: If frames behind ``applied`` cannot be reached.

        """
        data = self.path.read_bytes()
        salt_crc = zlib.crc32(_U64.pack(header.salt))
        position, sequence = _HEADER.size, header.first
        while found := _parse(data, position, sequence, salt_crc):
            batches, position = found
            yield Frame(sequence, batches)
            sequence += 1
        # What is applied may be gone: a write that began to reuse the segment took it.
        following = max(sequence, applied) + 1
        _refuse_frame_behind(self.path, data, position, following, salt_crc)


def _parse(data: bytes, start: int, sequence: int, salt_crc: int) -> tuple[list[bytes], int] | None:
    """Return the batches of the frame at ``start`` and where it ends; ``None`` if torn."""
    entries = _entries(data, start, sequence, salt_crc)
    if entries is None:
        return None
    position = start + _FRAME.size + len(entries) * _ENTRY.size
    batches = []
    for length, crc in entries:
        batch = data[position : position + length]
        if len(batch) != length or zlib.crc32(batch) != crc:
            return None
        batches.append(batch)
        position += length
    return batches, position


def _entries(data: bytes, start: int, sequence: int, salt_crc: int) -> list[tuple[int, int]] | None:
    if start + _FRAME.size > len(data):
        return None
    crc, count, found = _FRAME.unpack_from(data, start)
    end = start + _FRAME.size + count * _ENTRY.size
    if found != sequence or end > len(data) or zlib.crc32(data[start + 4 : end], salt_crc) != crc:
        return None
    return list(_ENTRY.iter_unpack(data[start + _FRAME.size : end]))


def _refuse_frame_behind(
    path: Path, data: bytes, position: int, sequence: int, salt_crc: int
) -> None:
    """
    Tell damage from a torn tail.

    Frame ``sequence`` was only written once all before it were durable and
    acknowledged. If it is there and cannot be reached, the disk lost what was
    acknowledged, and going on would hide that.
    """
    pattern = _U64.pack(sequence)
    hit = data.find(pattern, position)
    while hit >= 0:
        if _entries(data, hit - 8, sequence, salt_crc) is not None:
            raise _damaged(path, position, f"the frames before {sequence} are lost")
        hit = data.find(pattern, hit + 1)


def _damaged(path: Path, offset: int, what: str) -> DataDirError:
    return DataDirError(f"the journal is damaged: {path} at byte {offset}: {what}")
