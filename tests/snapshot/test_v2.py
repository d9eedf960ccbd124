"""The v2 tree travels in snapshots, and is in nobody's way: v3 does not see it, nor does etcd."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage.bolt_read import BoltReader
from tests.snapshot.stores import Kind, content_of, done, etcdpy, restore, save, started
from tests.support.client import Client
from tests.support.servers import Server
from tests.support.v2 import V2Client

V2 = "--enable-v2"


def found(server: Server) -> None:
    """Have nodes of all kinds, and a key of v3."""
    with closing(V2Client(server.address)) as client:
        for path, form in (
            ("/d/k", "value=%ff%00<v>"),
            ("/d/_hidden/k", "value=v"),
            ("/d/empty", "dir=true"),
            ("/t", "value=v&ttl=100000"),
            ("/k", "value=old"),
            ("/k", "value=new&prevValue=old"),
            ("/gone/k", ""),
        ):
            assert client.ask("PUT", path, form).status in (200, 201)
        client.ask("POST", "/q", "value=v")
        client.ask("DELETE", "/gone?recursive=true")
    with closing(Client(server.address)) as v3:
        v3.kv.Put(pb.PutRequest(key=b"a", value=b"v"))


def seen(server: Server) -> dict[str, Any]:
    """Return all that is in the tree, and the history."""
    with closing(V2Client(server.address)) as client:
        everything = client.ask("GET", "?recursive=true")
        told = everything.json
        for node in told["node"]["nodes"]:
            node.pop("ttl", None)
        with client.watch("", "recursive=true&stream=true&waitIndex=1") as watch:
            # What is hidden is not told.
            history = [watch.line() for _ in range(everything.index - 4)]
        return {
            "tree": told,
            "hidden": client.ask("GET", "/d/_hidden/k").body,
            "index": everything.index,
            "history": history,
        }


def names_of(path: Path) -> list[bytes]:
    return BoltReader(path.read_bytes()).buckets


def test_tree_travels_there_and_back(tmp_path: Path) -> None:
    homes: tuple[Kind, ...] = ("etcdpy", "etcd", "etcdpy")
    tree: dict[str, Any] = {}
    for number, kind in enumerate(homes):
        file, data_dir = tmp_path / f"{number}.db", tmp_path / f"{number}"
        if number:
            restore(kind, tmp_path / f"{number - 1}.db", data_dir)
        with started(kind, data_dir, *([V2] if kind == "etcdpy" else [])) as server:
            if number == 0:
                found(server)
                tree, keys = seen(server), content_of(server)
                assert keys.revision == 2, "v2 takes no revision of v3"
            if kind == "etcdpy":
                assert seen(server) == tree
            # etcd has the keys of v3, and no others.
            assert content_of(server) == keys
            save("etcd" if kind == "etcdpy" else "etcdpy", server, file)
    assert done(etcdpy("status", tmp_path / "0.db"))


def test_server_without_v2_keeps_the_tree_of_one_with_it(tmp_path: Path) -> None:
    with started("etcdpy", tmp_path / "d", V2) as server:
        found(server)
        tree = seen(server)
    with started("etcdpy", tmp_path / "d") as server, closing(V2Client(server.address)) as client:
        reply = client.ask("GET", "/k")
        assert (reply.status, reply.body) == (404, b"404 page not found\n")
    with started("etcdpy", tmp_path / "d", V2) as server:
        assert seen(server) == tree


def test_store_that_nobody_wrote_to_is_in_no_snapshot(tmp_path: Path) -> None:
    with started("etcdpy", tmp_path / "d", V2) as server:
        save("etcdpy", server, tmp_path / "empty.db")
        found(server)
        save("etcdpy", server, tmp_path / "full.db")
    assert set(names_of(tmp_path / "full.db")) - set(names_of(tmp_path / "empty.db")) == {b"v2"}


def test_tree_outlives_a_defragmentation(tmp_path: Path) -> None:
    with started("etcdpy", tmp_path / "d", V2) as server:
        found(server)
        tree = seen(server)
        with closing(Client(server.address)) as client:
            client.maintenance.Defragment(pb.DefragmentRequest())
        assert seen(server) == tree
        server.kill()
        server.start()
        assert seen(server) == tree
