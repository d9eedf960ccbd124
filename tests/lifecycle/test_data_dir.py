"""The data directory: made private, held by one server, refused when it cannot be used."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.lifecycle.process import PORT_0, Process, run
from tests.support.client import Client


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def raft_term(address: str) -> int:
    with closing(Client(address)) as client:
        status = client.maintenance.Status(rpc_pb2.StatusRequest(), timeout=60)
        assert status.raftTerm == status.header.raft_term
        return int(status.raftTerm)


def test_everything_in_it_is_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with Process("--data-dir", data_dir, *PORT_0) as server:
        server.wait_ready()
    assert mode(data_dir) == 0o700
    for path in data_dir.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_mode_of_an_existing_directory_is_left_alone_with_a_warning(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o755)
    with Process("--data-dir", data_dir, *PORT_0) as server:
        server.wait_ready()
        assert any(text.startswith("check file permission") for text in server.messages())
    assert mode(data_dir) == 0o755


def test_default_is_named_after_the_member(tmp_path: Path) -> None:
    with Process("--name=n1", *PORT_0, cwd=tmp_path) as server:
        server.wait_ready()
        assert server.find("'data-dir' was empty; using default")["data-dir"] == "n1.etcd"
    assert (tmp_path / "n1.etcd" / "member").is_dir()


def test_second_server_is_refused(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        end = run("--data-dir", tmp_path, *PORT_0)
        assert end.status == 1
        assert end.lines[-1]["level"] == "fatal"
        assert str(tmp_path) in end.lines[-1]["error"]
        assert "in use by another server" in end.lines[-1]["error"]
        assert raft_term(address) == 2


def test_file_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    end = run("--data-dir", path, *PORT_0)
    assert end.status == 1
    assert end.lines[-1]["level"] == "fatal"
    assert end.lines[-1]["msg"] == "failed to list data directory"
    assert end.lines[-1]["dir"] == str(path)


def test_place_where_none_can_be_made(tmp_path: Path) -> None:
    end = run("--data-dir", "/proc/etcdpy", *PORT_0)
    assert end.status == 1
    assert end.lines[-1]["error"].startswith("cannot access data directory: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_directory_that_may_not_be_read(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(0o000)
    end = run("--data-dir", data_dir, *PORT_0)
    assert end.status == 1
    assert end.lines[-1]["msg"] == "failed to list data directory"
    assert end.lines[-1]["error"] == f"open {data_dir}: permission denied"


def test_stray_file_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "stray").touch()
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        server.wait_ready()
        assert server.find("found invalid file under data directory")["filename"] == "stray"
        assert server.find("Initialize and start etcd server")["dir-type"] == "empty"


def test_every_start_is_a_new_raft_term(tmp_path: Path) -> None:
    terms = []
    for _ in range(3):
        with Process("--data-dir", tmp_path, *PORT_0) as server:
            (address,) = server.wait_ready()
            terms.append(raft_term(address))
    assert terms == [2, 3, 4]
