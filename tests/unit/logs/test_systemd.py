"""Lines reach the journal with their level, or standard error without it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.logs.lines import Line
from etcdpy.logs.systemd import SystemdJournal


class Instead:
    """Notes the lines that the journal did not take."""

    is_sampled = True
    is_terminal = False

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def write(self, line: Line) -> None:
        self.lines.append(line)


def listen(path: Path) -> socket.socket:
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(str(path))
    daemon.settimeout(60)
    return daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    with listen(tmp_path / "socket") as daemon:
        yield daemon


@pytest.fixture
def instead() -> Instead:
    return Instead()


@pytest.fixture
def journal(tmp_path: Path, daemon: socket.socket, instead: Instead) -> Iterator[SystemdJournal]:
    with closing(SystemdJournal(instead, str(tmp_path / "socket"))) as journal:
        yield journal


def fields(datagram: bytes) -> dict[bytes, bytes]:
    """Take a datagram of one-line fields apart."""
    found = {}
    for line in datagram.splitlines():
        name, _, value = line.partition(b"=")
        found[name] = value
    return found


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, b"7"),
        (logging.INFO, b"6"),
        (logging.WARNING, b"4"),
        (logging.ERROR, b"3"),
        (logging.CRITICAL, b"2"),
    ],
)
def test_line_has_its_level(
    journal: SystemdJournal, daemon: socket.socket, level: int, priority: bytes
) -> None:
    journal.write(Line('{"msg":"hello"}', level, "services"))
    found = fields(daemon.recv(10_000))
    assert found.pop(b"SYSLOG_IDENTIFIER")
    assert found == {
        b"MESSAGE": b'{"msg":"hello"}',
        b"PRIORITY": priority,
        b"PACKAGE": b"services",
    }


def test_line_with_a_trace_is_one_field(journal: SystemdJournal, daemon: socket.socket) -> None:
    journal.write(Line("failed\n  there", logging.ERROR, "etcdpy"))
    start = b"MESSAGE\n\x0e\0\0\0\0\0\0\0failed\n  there\nPRIORITY=3\n"
    assert daemon.recv(10_000).startswith(start)


def test_line_too_long_for_a_datagram_is_written_instead(
    journal: SystemdJournal, instead: Instead
) -> None:
    line = Line("x" * 10_000_000, logging.INFO, "etcdpy")
    journal.write(line)
    assert instead.lines == [line]


def test_journal_may_go_and_come_back(
    journal: SystemdJournal, daemon: socket.socket, instead: Instead, tmp_path: Path
) -> None:
    lines = [Line(text, logging.INFO, "etcdpy") for text in ("gone", "back")]
    daemon.close()
    (tmp_path / "socket").unlink()
    journal.write(lines[0])
    assert instead.lines == [lines[0]]
    with listen(tmp_path / "socket") as again:
        journal.write(lines[1])
        assert again.recv(10_000).startswith(b"MESSAGE=back\n")
