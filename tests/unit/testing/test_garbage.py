"""No garbage is collected while a server is imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from etcdpy.testing.garbage import garbage_kept


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    if was_enabled:
        gc.enable()
    else:
        gc.disable()


def test_none_is_collected_in_the_block() -> None:
    gc.enable()
    with garbage_kept():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collecting_goes_on_behind_an_import_that_fails() -> None:
    gc.enable()
    with pytest.raises(ImportError), garbage_kept():
        raise ImportError
    assert gc.isenabled()


def test_who_collects_none_goes_on_so() -> None:
    gc.disable()
    with garbage_kept():
        pass
    assert not gc.isenabled()


def test_what_was_imported_is_old_at_once() -> None:
    gc.enable()
    with garbage_kept():
        kept = [[place] for place in range(5000)]
        assert any(one is kept for one in gc.get_objects(generation=0))
    if not gc.get_freeze_count():  # nobody had frozen anything before
        assert any(one is kept for one in gc.get_objects(generation=2))
