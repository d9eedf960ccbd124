"""A node and the services in front of it are opened together, and closed in the other order."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from sys import getsizeof
from typing import Any

import pytest

from etcdpy.config import Config
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server.assembly import garbage_left_alone, open_served
from etcdpy.storage import DataDirError
from etcdpy.tables import LARGE
from etcdpy.testing.clock import MovableClock


class Server:
    """Takes what is registered."""

    def __init__(self) -> None:
        self.services: list[str] = []

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, Any]
    ) -> None:
        self.services.append(service_name)


@pytest.fixture(autouse=True)
def _garbage_collector() -> Iterator[None]:
    """Leave the collector as it was found."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def config(path: Path) -> Config:
    return Config(data_dir=str(path), unsafe_no_fsync=True)


async def test_node_is_served_whole(tmp_path: Path) -> None:
    server = Server()
    opening = open_served(config(tmp_path / "d"), MovableClock(), server, SlowRequests())
    async with opening as served:
        assert "etcdserverpb.KV" in server.services
        assert "v3electionpb.Election" in server.services
        assert served.node.parts.store.revision == 1
    again = open_served(config(tmp_path / "d"), MovableClock(), Server(), SlowRequests())
    async with again:
        pass


async def test_tables_are_made_small_when_memory_is_given_back(tmp_path: Path) -> None:
    opening = open_served(config(tmp_path / "d"), MovableClock(), Server(), SlowRequests())
    async with opening as served:
        parts = served.node.parts
        lessor, attachments = parts.leases.lessor, parts.store.attachments
        leases = [lessor.grant(number, 60, 0.0) for number in range(1, 4_000)]
        keys = [b"%d" % number for number in range(4_000)]
        for key in keys:
            attachments.attach(key, 1)
        tables = lessor._leases, attachments.leases
        assert min(map(getsizeof, tables)) > LARGE
        for lease in leases[1:]:
            lessor.remove(lease)
        attachments.detach_all(keys[1:])
        assert parts.memory.on_trim is not None
        parts.memory.on_trim()
        assert max(map(getsizeof, tables)) < LARGE
        assert list(lessor) == leases[:1]
        assert list(attachments.on(1)) == keys[:1]


async def test_collector_of_a_process_that_is_not_its_own_is_left_as_it_was(tmp_path: Path) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    async with open_served(config(tmp_path / "d"), MovableClock(), Server(), SlowRequests()):
        assert (gc.get_threshold(), gc.get_freeze_count()) == before
        assert gc.isenabled()


def test_garbage_is_collected_again_after_the_block_but_not_what_was_there() -> None:
    with garbage_left_alone():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_collection_looks_at_few_objects_at_a_time() -> None:
    with garbage_left_alone():
        pass
    young, times, seldom = gc.get_threshold()
    # A third of a microsecond each: the loop stands still for ten milliseconds at most.
    assert young * (times + 2) <= 30_000
    assert young * times * seldom >= 1_000_000_000


async def test_directory_that_cannot_be_opened_leaves_the_collector_on(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("no directory")
    with pytest.raises(DataDirError):
        async with open_served(config(tmp_path / "d"), MovableClock(), Server(), SlowRequests()):
            raise AssertionError("opened")
    assert gc.isenabled()
