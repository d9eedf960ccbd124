"""systemd is told of the beginning and the end, if it asked."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from etcdpy.server.systemd import notify_ready, notify_stopping


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_if_it_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    path = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path.replace("@", "\0"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify_ready()
        assert systemd.recv(100) == b"READY=1"
        notify_stopping()
        assert systemd.recv(100) == b"STOPPING=1"


def test_systemd_that_is_gone_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    notify_ready()
    assert caplog.records[-1].msg == "failed to notify systemd for readiness"
    notify_stopping()


def test_nobody_is_told_who_did_not_ask(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_ready()
    notify_stopping()
    assert caplog.records == []
