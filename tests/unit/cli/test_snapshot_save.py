"""A snapshot arrives whole in its file, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest

from etcdpy.cli.snapshot_save import Endpoint, SaveError, save
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.storage.errors import StorageError
from tests.unit.storage.syncs import recorded

DATA = bytes(range(256)) * 8
WHOLE = DATA + hashlib.sha256(DATA).digest()

# Generated service stubs carry no types.
_services: Any = rpc_pb2_grpc


class Maintenance(_services.MaintenanceServicer):  # type: ignore[misc]
    """Sends what it is given, and notes who asked."""

    def __init__(self) -> None:
        self.blobs = [WHOLE[:1000], WHOLE[1000:]]
        self.error = ""
        self.tokens: list[object] = []

    def Snapshot(self, _: object, context: Any) -> Iterator[pb.SnapshotResponse]:
        self.tokens += [value for key, value in context.invocation_metadata() if key == "token"]
        left = sum(map(len, self.blobs))
        for blob in self.blobs:
            left -= len(blob)
            yield pb.SnapshotResponse(remaining_bytes=left, blob=blob, version="3.7.0")
        if self.error:
            context.abort(grpc.StatusCode.UNKNOWN, self.error)


class Auth(_services.AuthServicer):  # type: ignore[misc]
    """Lets everybody in, but for those who are named after a reason not to."""

    REASONS: ClassVar = {
        "not enabled": "etcdserver: authentication is not enabled",
        "unknown": "etcdserver: authentication failed, invalid user ID or password",
    }

    def Authenticate(self, request: Any, context: Any) -> pb.AuthenticateResponse:
        if request.name in self.REASONS:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.REASONS[request.name])
        return pb.AuthenticateResponse(token=f"{request.name}, {request.password}")


@pytest.fixture
def maintenance() -> Maintenance:
    return Maintenance()


@pytest.fixture
def address(maintenance: Maintenance) -> Iterator[str]:
    """Where the service is."""
    with futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        _services.add_MaintenanceServicer_to_server(maintenance, server)
        _services.add_AuthServicer_to_server(Auth(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.mark.parametrize("form", ["{}", "http://{}"])
def test_file_has_what_was_sent(tmp_path: Path, address: str, form: str) -> None:
    path = tmp_path / "db"
    progress: list[tuple[int, int]] = []
    endpoint = Endpoint(form.format(address))
    assert save(endpoint, path, lambda *sizes: progress.append(sizes)) == "3.7.0"
    assert path.read_bytes() == WHOLE
    assert path.stat().st_mode & 0o777 == 0o600
    assert progress == [(1000, len(WHOLE) - 1000), (len(WHOLE), 0)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("was_there", [False, True])
def test_name_is_durable_when_the_file_is_said_to_be_saved(
    tmp_path: Path, address: str, was_there: bool
) -> None:
    path = tmp_path / "db"
    if was_there:
        path.write_bytes(b"before")
    with recorded(tmp_path) as syncs:
        save(Endpoint(address), path, lambda *_: None)
        assert syncs.owed() == {}
    assert syncs.counts[tmp_path] == 1


def test_user_logs_in_first(tmp_path: Path, address: str, maintenance: Maintenance) -> None:
    save(Endpoint(address, user="root:a:b"), tmp_path / "db", lambda *_: None)
    assert maintenance.tokens == ["root, a:b"]


def test_user_of_a_server_where_nobody_logs_in_goes_on_without_a_token(
    tmp_path: Path, address: str, maintenance: Maintenance
) -> None:
    save(Endpoint(address, user="not enabled:x"), tmp_path / "db", lambda *_: None)
    assert maintenance.tokens == []


def test_user_who_is_not_let_in_gets_no_file(tmp_path: Path, address: str) -> None:
    with pytest.raises(SaveError, match="authentication failed, invalid user ID or password"):
        save(Endpoint(address, user="unknown:x"), tmp_path / "db", lambda *_: None)
    assert list(tmp_path.iterdir()) == []


def refused(path: Path, address: str) -> str:
    """Return why there is no file, where one was before that is left alone."""
    path.write_bytes(b"before")
    with pytest.raises(StorageError) as error:
        save(Endpoint(address), path, lambda *_: None)
    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]
    return str(error.value)


def test_stream_that_breaks_leaves_no_file(
    tmp_path: Path, address: str, maintenance: Maintenance
) -> None:
    maintenance.error = "disk on fire"
    assert refused(tmp_path / "db", address) == "disk on fire (UNKNOWN)"


def test_stream_that_ends_early_leaves_no_file(
    tmp_path: Path, address: str, maintenance: Maintenance
) -> None:
    maintenance.blobs.pop()
    assert refused(tmp_path / "db", address) == "sha256 checksum not found [bytes: 1000]"


def test_changed_byte_leaves_no_file(
    tmp_path: Path, address: str, maintenance: Maintenance
) -> None:
    maintenance.blobs[0] = b"x" + maintenance.blobs[0][1:]
    assert refused(tmp_path / "db", address).startswith("expected sha256 ")


def test_certificate_that_is_not_there_is_an_error_of_the_file(tmp_path: Path) -> None:
    endpoint = Endpoint("https://127.0.0.1:1", (str(tmp_path / "none"), "", ""))
    with pytest.raises(FileNotFoundError):
        save(endpoint, tmp_path / "db", lambda *_: None)


def test_server_with_another_certificate_is_not_talked_to(tmp_path: Path, address: str) -> None:
    with pytest.raises(SaveError, match=r"\(UNAVAILABLE\)$"):
        save(Endpoint(f"https://{address}"), tmp_path / "db", lambda *_: None)
