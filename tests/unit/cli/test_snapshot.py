"""``etcdpy snapshot``: what it does, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etcdpy.cli import main as cli
from etcdpy.storage import Backend, Bucket
from tests.unit.storage.bolt_material import make_file
from tests.unit.storage.material import row_key

#: What etcd and etcdutl compute from the default peer URL and token.
DEFAULT_MEMBER = b"8e9e05c52164694d"


# The command says where logging goes.
pytestmark = pytest.mark.usefixtures("root")


def snapshot(*words: str | Path) -> int:
    return cli.main(["snapshot", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db"
    path.write_bytes(make_file({b"key": [(row_key(2), b"")], b"meta": []}))
    return path


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        pytest.param([], 1, "snapshot needs a command", id="no command"),
        pytest.param(["status"], 1, "filename", id="no file"),
        pytest.param(["status", "nowhere"], 1, "open nowhere: no such file", id="no such file"),
        pytest.param(["status", "x", "-w", "xml"], 1, "invalid choice", id="no such format"),
        pytest.param(["restore", "x", "--nonsense"], 1, "--nonsense", id="no such flag"),
        pytest.param(["save", "x", "--endpoints", "a:1,b:2"], 128, "one selected", id="endpoints"),
        pytest.param(["save", "x", "--password", "p"], 128, "--user is required", id="password"),
        pytest.param(["restore", "x", "--bump-revision", "1"], 1, "--mark-compacted", id="bump"),
        pytest.param(["restore", "x", "--mark-compacted"], 1, "--mark-compacted", id="mark"),
        pytest.param(["restore", "x", "--bump-revision=-1"], 1, "bump-revision", id="minus"),
        pytest.param(["restore", "x", "--name", "a"], 1, 'find local name "a"', id="name"),
        pytest.param(
            ["restore", "x", "--initial-cluster", "default=http://a:1,b=http://b:1"],
            1,
            "single node",
            id="cluster",
        ),
        pytest.param(
            ["restore", "x", "--initial-advertise-peer-urls", "http://a:1"],
            1,
            "initial-advertise-peer-urls",
            id="peer url",
        ),
    ],
)
def test_what_cannot_be_done_is_told(
    words: list[str], status: int, complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert snapshot(*words) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert complaint in err


def test_a_file_without_a_checksum_needs_a_flag(
    tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    for word in ((), ("--skip-hash-check=false",)):
        assert snapshot("restore", file, "--data-dir", data_dir, *word) == 1
        assert "snapshot missing hash but --skip-hash-check=false" in capfd.readouterr().err
        assert not data_dir.exists()
    assert snapshot("restore", file, "--data-dir", data_dir, "--skip-hash-check=true") == 0


def test_the_member_is_the_one_etcdutl_would_make(tmp_path: Path, file: Path) -> None:
    assert snapshot("restore", "--skip-hash-check", file, "--data-dir", tmp_path / "data") == 0
    backend = Backend.open(tmp_path / "data")
    members = list(backend.items(Bucket.MEMBERS))
    backend.close()
    row = b'{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default"}'
    assert members == [(DEFAULT_MEMBER, row)]


def test_the_data_directory_is_named_after_the_member(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert snapshot("restore", file, "--skip-hash-check") == 0
    assert (tmp_path / "default.etcd" / "member").is_dir()


def test_what_a_restore_does_is_logged_as_by_etcdutl(
    tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data_dir = tmp_path / "data"
    assert snapshot("restore", file, "--data-dir", data_dir, "--skip-hash-check") == 0
    out, err = capfd.readouterr()
    assert out == f"Snapshot restored into {data_dir}\n"
    lines = [line.split("\t") for line in err.splitlines()]
    assert [(line[1], line[3]) for line in lines] == [
        ("info", "restoring snapshot"),
        ("info", "Trimming membership information from the backend..."),
        ("info", "added member"),
        ("info", "restored snapshot"),
    ]
    assert json.loads(lines[2][4]) == {
        "cluster-id": "cdf818194e3a8c32",
        "local-member-id": "0",
        "added-peer-id": DEFAULT_MEMBER.decode(),
        "added-peer-peer-urls": ["http://localhost:2380"],
        "added-peer-is-learner": False,
    }
    # Nothing is restored into what is there, and nothing is said of it but that.
    assert snapshot("restore", file, "--data-dir", data_dir, "--skip-hash-check") == 1
    assert capfd.readouterr().err == (
        f'Error: data-dir "{data_dir}" not empty or could not be read\n'
    )


def test_a_restored_store_is_checked_when_it_is_wanted(
    tmp_path: Path,
    file: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its one row is no KeyValue.
    monkeypatch.setenv("ETCD_VERIFY", "storage_wal")
    words = ("restore", file, "--data-dir", tmp_path / "data", "--skip-hash-check")
    assert snapshot(*words) == 1
    assert "no key" in capfd.readouterr().err.splitlines()[-1]


def test_a_status_is_printed(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert snapshot("status", file, "--write-out=json") == 0
    assert '"revision":2,"totalKey":1' in capfd.readouterr().out


def test_a_server_that_is_not_there_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert snapshot("save", tmp_path / "new", "--endpoints", "127.0.0.1:1") == 1
    assert "UNAVAILABLE" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
