"""The audit log is opened before anything is served, and has everything once it is closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etcdpy.config import Config, InvalidConfigError
from etcdpy.errors import PermissionDeniedError
from etcdpy.node.caller import Internal
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.server.auditing import open_audit_log
from etcdpy.testing.clock import MovableClock


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_there_is_none_unless_it_is_wanted() -> None:
    with open_audit_log(Config(), MovableClock()) as auditor:
        assert auditor is None


@pytest.mark.parametrize("is_synced", [False, True])
async def test_lines_are_in_the_file_once_it_is_closed(tmp_path: Path, is_synced: bool) -> None:
    config = Config(audit_log=str(tmp_path / "a.log"), audit_log_sync=is_synced)
    with open_audit_log(config, MovableClock()) as auditor:
        assert auditor is not None
        assert (auditor.settle is not None) == is_synced
        auditor.put(pb.PutRequest(key=b"a"), Internal("test"), None, 2)
        error = PermissionDeniedError()
        auditor.refused(error, "range", pb.RangeRequest(key=b"b"), Internal("test"), None)
    first, second = lines(tmp_path / "a.log")
    assert (first["revision"], first["ops"]) == (2, [{"op": "put", "key": "a"}])
    assert (second["code"], second["error"]) == (
        "PERMISSION_DENIED",
        "etcdserver: permission denied",
    )


async def test_file_that_cannot_be_opened_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.log"
    reason = f"--audit-log: open {path}: no such file or directory"
    with (
        pytest.raises(InvalidConfigError, match=reason),
        open_audit_log(Config(audit_log=str(path)), MovableClock()),
    ):
        raise AssertionError("opened")
