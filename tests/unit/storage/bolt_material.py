"""bbolt files made in memory, read back and damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from etcdpy.storage.bolt_read import BoltReader
from etcdpy.storage.bolt_write import BoltWriter, Entry

Content = Mapping[bytes, list[Entry]]


def make_file(content: Content) -> bytes:
    """Return the file of these buckets."""
    writer = BoltWriter({name: partial(iter, entries) for name, entries in content.items()})
    for _ in writer.measure():
        pass
    file = b"".join(writer.pages())
    assert len(file) == writer.size
    return file


def read_file(file: bytes) -> dict[bytes, list[Entry]]:
    """Check a file and return its buckets."""
    reader = BoltReader(file)
    reader.check()
    return {name: list(reader.entries(name)) for name in reader.buckets}


def rows(numbers: Iterable[int], size: int) -> list[Entry]:
    """Return entries with ascending keys and values of ``size`` bytes."""
    return [(b"row %08d" % number, b"%d" % (number % 10) * size) for number in numbers]
