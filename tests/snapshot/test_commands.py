"""``etcdpy snapshot`` beside etcd's own tools."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.mvcc import check
from etcdpy.pb import rpc_pb2 as pb
from tests.snapshot.histories import (
    HISTORIES,
    History,
    a_compacted_deletion,
    compactions,
    deletions,
    nothing,
    one_key,
)
from tests.snapshot.stores import (
    FOUNDING,
    Kind,
    content_of,
    done,
    etcdpy,
    restore,
    run,
    save,
    started,
)
from tests.support.client import Client
from tests.support.servers import etcdpy_server, reference_binary

BUMP = ("--bump-revision=1000", "--mark-compacted")

#: The newest revision after ``compactions``.
NEWEST = 63


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "store.db"
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            compactions(client)
        save("etcdpy", server, path)
    return path


def etcdutl_can_bump() -> bool:
    """Tell whether the reference is etcd 3.6 or newer."""
    help_text = done(run(reference_binary("etcdutl"), "snapshot", "restore", "--help"))
    return "--bump-revision" in help_text


def test_a_status_agrees_with_etcdutls(file: Path) -> None:
    etcdutl = reference_binary("etcdutl")
    words = ("status", file, "--write-out=json")
    theirs = json.loads(done(run(etcdutl, "snapshot", *words)))
    ours = json.loads(done(etcdpy(*words)))
    if "version" not in theirs:  # before 3.6, which also counts what is no key
        del ours["version"], ours["totalKey"], theirs["totalKey"]
    assert ours == theirs


@pytest.mark.parametrize("output", ["simple", "table", "fields"])
def test_a_status_looks_like_etcdutls(file: Path, output: str) -> None:
    if not etcdutl_can_bump():
        pytest.skip("etcdutl before 3.6 counts and draws differently")
    words = ("status", file, "-w", output)
    assert done(etcdpy(*words)) == done(run(reference_binary("etcdutl"), "snapshot", *words))


@pytest.mark.parametrize(
    ("history", "revision", "keys"),
    [(nothing, 0, 0), (one_key, 2, 1), (deletions, 24, 10), (a_compacted_deletion, 3, 0)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_status_tells_the_newest_revision_and_counts_what_is_alive(
    tmp_path: Path, history: History, revision: int, keys: int
) -> None:
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            history(client)
            newest = client.kv.Range(pb.RangeRequest(key=b"k")).header.revision
        save("etcdpy", server, tmp_path / "file.db")
    words = ("status", tmp_path / "file.db", "--write-out=json")
    ours = json.loads(done(etcdpy(*words)))
    assert (ours["revision"], ours["totalKey"]) == (revision, keys)
    assert revision == newest or history is nothing  # a store without rows begins at 1
    theirs = json.loads(done(run(reference_binary("etcdutl"), "snapshot", *words)))
    counted = "totalKey" if "version" in theirs else "revision"  # see above
    assert (theirs["revision"], theirs["hash"]) == (revision, ours["hash"])
    assert theirs[counted] == ours[counted]


def test_a_saved_file_is_private_and_whole(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size % 512 == 32
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_a_changed_byte_is_refused_as_etcdutl_refuses_it(tmp_path: Path, file: Path) -> None:
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(changed)
    words = ("restore", damaged, f"--data-dir={tmp_path / 'data'}", *FOUNDING)
    ours = etcdpy(*words)
    theirs = run(reference_binary("etcdutl"), "snapshot", *words)
    assert ours.returncode == theirs.returncode == 1
    assert ours.stderr.splitlines()[-1] == theirs.stderr.splitlines()[-1]
    assert "expected sha256" in ours.stderr


# What only etcdutl has: a map whose size is given, and in 3.5 a stack; and what 3.5 lacks.
OF_ONE_ALONE = {"initial-memory-map-size", "stack", "added-peer-is-learner"}


def logged(err: str) -> list[tuple[str, str, dict[str, object]]]:
    """Return level, message and fields of each line, those of etcd's libraries left out."""
    lines = [line.split("\t") for line in err.splitlines()]
    own = [line for line in lines if "/" in line[2]]
    return [
        (level, message, json.loads(fields[0]) if fields else {})
        for _, level, _, message, *fields in own
    ]


def _errors(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_a_restore_logs_what_etcdutl_logs(tmp_path: Path, file: Path) -> None:
    words = ("restore", file, f"--data-dir={tmp_path / 'data'}", *FOUNDING)
    ours = logged(_errors(etcdpy(*words)))
    (tmp_path / "data").rename(tmp_path / "ours")
    theirs = logged(_errors(run(reference_binary("etcdutl"), "snapshot", *words)))
    assert [line[:2] for line in ours] == [line[:2] for line in theirs]
    for (_, message, mine), (_, _, etcds) in zip(ours, theirs, strict=True):
        shared = [field for field in mine if field not in OF_ONE_ALONE]
        assert shared == [field for field in etcds if field not in OF_ONE_ALONE], message
        for field in shared:
            # Other parts of the directory, under the names of those that etcd has.
            if field not in ("wal-dir", "snap-dir"):
                assert mine[field] == etcds[field], (message, field)


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_a_bumped_revision_is_beyond_all_that_clients_know(
    tmp_path: Path, file: Path, kind: Kind
) -> None:
    if kind == "etcd" and not etcdutl_can_bump():
        pytest.skip("etcdutl before 3.6 cannot bump revisions")
    restore(kind, file, tmp_path / "plain")
    restore(kind, file, tmp_path / "bumped", *BUMP)
    with started(kind, tmp_path / "plain") as server:
        plain = content_of(server)
    assert plain.revision == NEWEST
    with started(kind, tmp_path / "bumped") as server:
        bumped = content_of(server)
        assert bumped.revision == NEWEST + 1000
        assert bumped.rows == plain.rows
        assert bumped.hash[1] == NEWEST + 1000
        with closing(Client(server.address)) as client:
            watch = pb.WatchCreateRequest(key=b"00", start_revision=NEWEST)
            requests = iter([pb.WatchRequest(create_request=watch)])
            replies = client.watch.Watch(requests, timeout=20)
            created, cancelled = next(replies), next(replies)
            assert created.created
            assert cancelled.compact_revision == NEWEST + 1000
            put = client.kv.Put(pb.PutRequest(key=b"a"))
            assert put.header.revision == NEWEST + 1001


def test_a_bumped_store_hashes_as_that_of_etcd_does(tmp_path: Path) -> None:
    # etcd keeps the row at the new revision for good, and counts it. Its own hashes, of 3.7.1:
    bumped, compacted = 2052188846, 3402396519
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            one_key(client)
        save("etcdpy", server, tmp_path / "file.db")
    restore("etcdpy", tmp_path / "file.db", tmp_path / "data", *BUMP)
    with started("etcdpy", tmp_path / "data") as server:
        assert content_of(server).hash == (bumped, 1002)
        with closing(Client(server.address)) as client:
            for number in range(5):
                client.kv.Put(pb.PutRequest(key=b"z%d" % (number % 2), value=b"%d" % number))
            client.kv.Compact(pb.CompactionRequest(revision=1005, physical=True))
        assert content_of(server).hash == (compacted, 1005)
        server.restart()
        assert content_of(server).hash == (compacted, 1005)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_a_bumped_store_is_what_etcdutl_makes_of_it(tmp_path: Path, history: History) -> None:
    if not etcdutl_can_bump():
        pytest.skip("etcdutl before 3.6 cannot bump revisions")
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            history(client)
        save("etcdpy", server, tmp_path / "file.db")
    contents = []
    kinds: tuple[Kind, ...] = ("etcdpy", "etcd")
    for kind in kinds:
        restore(kind, tmp_path / "file.db", tmp_path / kind, *BUMP)
        with started(kind, tmp_path / kind) as server:
            contents.append(content_of(server))
    assert contents[0] == contents[1]


@pytest.mark.parametrize("first", ["etcdpy", "etcd"])
def test_a_bumped_store_is_bumped_again(tmp_path: Path, file: Path, first: Kind) -> None:
    if first == "etcd" and not etcdutl_can_bump():
        pytest.skip("etcdutl before 3.6 cannot bump revisions")
    restore(first, file, tmp_path / "once", *BUMP)
    with started(first, tmp_path / "once") as server:
        once = content_of(server)
        save("etcdpy", server, tmp_path / "bumped.db")
    restore("etcdpy", tmp_path / "bumped.db", tmp_path / "twice", *BUMP)
    check.verify(tmp_path / "twice")
    with started("etcdpy", tmp_path / "twice") as server:
        twice = content_of(server)
        assert twice.rows == once.rows
        assert twice.revision == twice.hash[1] == NEWEST + 2000
        with closing(Client(server.address)) as client:
            # Waits for the compaction that began with the start.
            client.kv.Put(pb.PutRequest(key=b"a"))
            compaction = pb.CompactionRequest(revision=NEWEST + 2001, physical=True)
            client.kv.Compact(compaction)
        server.stop()
        check.verify(tmp_path / "twice")


def test_a_bumped_store_is_the_same_after_another_start(tmp_path: Path, file: Path) -> None:
    restore("etcdpy", file, tmp_path / "data", *BUMP)
    with started("etcdpy", tmp_path / "data") as server:
        first = content_of(server)
        server.restart()
        assert content_of(server) == first


def test_a_bumped_store_goes_on_to_a_real_etcd(tmp_path: Path, file: Path) -> None:
    restore("etcdpy", file, tmp_path / "ours", *BUMP)
    with started("etcdpy", tmp_path / "ours") as server:
        ours = content_of(server)
        save("etcdpy", server, tmp_path / "bumped.db")
    restore("etcd", tmp_path / "bumped.db", tmp_path / "theirs")
    with started("etcd", tmp_path / "theirs") as server:
        theirs = content_of(server)
    assert (theirs.revision, theirs.rows) == (ours.revision, ours.rows)
