"""What goes from etcdpy into a real etcd, or the other way, is the same afterwards."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.differences import KEEPS_TOMBSTONES
from tests.snapshot.histories import (
    HISTORIES,
    History,
    a_compacted_deletion,
    compactions,
    nothing,
    several_levels,
)
from tests.snapshot.stores import Kind, content_of, restore, save, started, version_of
from tests.support.client import Client

#: Of the other way it is the file itself, below, that has all histories.
WAYS: list[tuple[Kind, Kind, History]] = [
    *(("etcdpy", "etcd", history) for history in HISTORIES),
    *(("etcd", "etcdpy", history) for history in (nothing, compactions, several_levels)),
]


@pytest.mark.parametrize(
    ("here", "there", "history"), WAYS, ids=[f"{way[0]}-{way[2].__name__}" for way in WAYS]
)
def test_a_snapshot_has_everything(
    tmp_path: Path, here: Kind, there: Kind, history: History
) -> None:
    file = tmp_path / "snapshot.db"
    with started(here, tmp_path / "old") as server:
        with closing(Client(server.address)) as client:
            history(client)
        before = content_of(server)
        save(there, server, file)
    restore(there, file, tmp_path / "new")
    with started(there, tmp_path / "new") as server:
        after = content_of(server)
        if history is a_compacted_deletion and version_of(server) < KEEPS_TOMBSTONES:
            # This etcd hashes a tombstone that it would not have kept itself.
            after = replace(after, hash=before.hash)
        assert after == before


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_the_file_of_a_stopped_etcd_has_everything(tmp_path: Path, history: History) -> None:
    with started("etcd", tmp_path / "old") as server:
        with closing(Client(server.address)) as client:
            history(client)
        before = content_of(server)
        server.stop()
    file = tmp_path / "old" / "member" / "snap" / "db"
    restore("etcdpy", file, tmp_path / "new", "--skip-hash-check")
    with started("etcdpy", tmp_path / "new") as server:
        assert content_of(server) == before
