"""A store that was closed is checked if the environment asks for it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from etcdpy.config import Config
from etcdpy.mvcc.invariants import switch
from etcdpy.mvcc.revision import row_key
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.server.verification import VerificationError, verify_if_wanted
from tests.unit.mvcc.real_log import opened_store
from tests.unit.mvcc.stores import put


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def store_in(path: Path, *, is_damaged: bool = False) -> Config:
    """Return the settings of a server that has left a store with one key."""
    async with opened_store(path, is_damaged=is_damaged) as (store, log):
        put(store, (b"a", b"1"))
        if is_damaged:
            log.batch.rows[row_key(9, 0)] = KeyValue(key=b"b").SerializeToString()
            log.flush_soon()
    return Config(data_dir=str(path), unsafe_no_fsync=True)


@pytest.mark.parametrize("value", ["all", "storage_wal", "ALL"])
async def test_store_is_checked_when_it_is_wanted(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    config = await store_in(tmp_path)
    monkeypatch.setenv("ETCD_VERIFY", value)
    caplog.clear()
    verify_if_wanted(config)
    fields = {"data-dir": str(tmp_path)}
    assert [(record.msg, record.args) for record in caplog.records] == [
        ("verification of persisted state", fields),
        ("verification of persisted state successful", fields),
    ]


async def test_store_that_contradicts_itself_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "are_checked", False)
    config = await store_in(tmp_path, is_damaged=True)
    monkeypatch.setenv("ETCD_VERIFY", "all")
    with pytest.raises(VerificationError, match="rows are missing between 2/0 and 9/0"):
        verify_if_wanted(config)
    assert caplog.records[-1].msg == "verification of persisted state failed"


@pytest.mark.parametrize("value", ["", "assert", "1"])
def test_other_words_and_none_are_no_wish_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ETCD_VERIFY", value)
    # There is no store, which the check would say.
    verify_if_wanted(Config(data_dir=str(tmp_path)))
