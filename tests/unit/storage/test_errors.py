"""What goes wrong under the store reads as itself in a log, and as etcd's words to a client."""

from __future__ import annotations

from pathlib import Path

from etcdpy.services.codes import status_of
from etcdpy.storage import DataDirError, DataDirLocked, StorageError
from etcdpy.transport import StatusCode


def test_error_says_what_happened() -> None:
    assert str(StorageError("cannot write the journal: no space left")) == (
        "cannot write the journal: no space left"
    )


def test_call_that_meets_it_is_told_that_the_server_stops() -> None:
    error = StorageError("cannot write the journal: no space left")
    status = status_of(error)
    assert status is not None
    assert status.code is StatusCode.UNAVAILABLE
    assert status.details == "etcdserver: server stopped"


def test_locked_directory_is_named() -> None:
    error = DataDirLocked(Path("/data"))
    assert isinstance(error, DataDirError)
    assert str(error) == "data directory is in use by another server: /data"
