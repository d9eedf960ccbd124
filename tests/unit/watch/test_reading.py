"""How much of history one response takes."""

from __future__ import annotations

from etcdpy.mvcc.revision import row_key
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.watch.events import Event
from etcdpy.watch.reading import BYTES_PER_RESPONSE, REVISIONS_PER_RESPONSE, Reading


def _event(main: int, sub: int = 0, size: int = 0) -> Event:
    return Event(row_key(main, sub), KeyValue(key=b"k", value=bytes(size)).SerializeToString())


def test_a_thousand_revisions_however_many_events() -> None:
    reading = Reading()
    for main in range(1, REVISIONS_PER_RESPONSE + 1):
        assert reading.add(_event(main))
        assert reading.add(_event(main, 1))
    assert reading.next_revision is None
    assert not reading.add(_event(REVISIONS_PER_RESPONSE + 1))
    assert reading.next_revision == REVISIONS_PER_RESPONSE + 1
    assert len(reading.events) == 2 * REVISIONS_PER_RESPONSE


def test_a_revision_is_taken_whole_however_large() -> None:
    reading = Reading()
    for sub in range(4):
        assert reading.add(_event(1, sub, BYTES_PER_RESPONSE // 2))
    assert not reading.add(_event(2))
    assert len(reading.events) == 4


def test_a_cut_leaves_whole_revisions_and_at_least_one() -> None:
    reading = Reading()
    for main in (5, 5, 6, 6, 7):
        reading.add(_event(main, len(reading.events), 1000))
    reading.cut(10_000)
    assert (len(reading.events), reading.next_revision) == (5, None)
    reading.cut(3500)
    assert ([e.main for e in reading.events], reading.next_revision) == ([5, 5, 6, 6], 7)
    reading.cut(1)
    assert ([e.main for e in reading.events], reading.next_revision) == ([5, 5], 6)
