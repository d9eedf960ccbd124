"""A port is held while nobody listens on it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from etcdpy.testing.places import Places


def test_port_is_refused_held_and_listened_on_again(tmp_path: Path) -> None:
    places = Places(tmp_path / "s")
    address = ("127.0.0.1", places.port)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        tcp, unix = places.listen()
        socket.create_connection(address).close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(places.unix_path))
        tcp.close()
        unix.close()
    assert places.descriptors
    places.close()
    assert not places.unix_path.exists()


def test_port_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            Places(tmp_path / "s", port)
