"""docs/compatibility.md tells of every method whether it is served, and is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from etcdpy.pb import health_pb2, rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.services.registration import register_all

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"

FILES = (rpc_pb2, v3lock_pb2, v3election_pb2, health_pb2)


class Recorder:
    """Takes the registrations of a server."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, Any]
    ) -> None:
        self.methods |= {f"{service_name}/{method}" for method in method_handlers}


def documented() -> dict[str, bool]:
    """Full method name to whether the page says it is served."""
    rows = re.findall(r"^\| `([\w.]+/\w+)` \| (served|UNIMPLEMENTED)\b", PAGE.read_text(), re.M)
    found = {method: state == "served" for method, state in rows}
    assert len(found) == len(rows)
    return found


def test_every_method_of_every_service_is_listed() -> None:
    methods = {
        f"{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert methods == set(documented())


def test_what_is_called_served_is_served_and_nothing_else() -> None:
    recorder = Recorder()
    register_all(recorder, MagicMock(), MagicMock())
    assert {method for method, served in documented().items() if served} == recorder.methods
