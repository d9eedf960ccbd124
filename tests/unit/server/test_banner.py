"""One line says where everything is."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.config import Config
from etcdpy.server.banner import banner
from etcdpy.server.startup_log import Address

CONFIG = Config(data_dir="/data")
TCP = Address("127.0.0.1:2379", is_secure=False)
UNIX = Address("localhost:1", is_secure=False, is_unix=True)


@pytest.mark.parametrize(
    ("addresses", "line"),
    [
        (
            [TCP],
            "etcdpy serves at http://127.0.0.1:2379, keeps its data in /data, "
            "and has a dashboard at http://127.0.0.1:2379/mod/dashboard/",
        ),
        (
            [UNIX, TCP._replace(is_secure=True)],
            "etcdpy serves at unix://localhost:1 and https://127.0.0.1:2379, keeps its data in "
            "/data, and has a dashboard at https://127.0.0.1:2379/mod/dashboard/",
        ),
        # A browser cannot ask a path.
        ([UNIX], "etcdpy serves at unix://localhost:1 and keeps its data in /data"),
        (
            [TCP._replace(traffic="grpc")],
            "etcdpy serves at http://127.0.0.1:2379 and keeps its data in /data",
        ),
        (
            [Address("[::]:1", is_secure=False), Address("0.0.0.0:2", is_secure=False)],
            "etcdpy serves at http://[::]:1 and http://0.0.0.0:2, keeps its data in /data, "
            "and has a dashboard at http://[::1]:1/mod/dashboard/",
        ),
    ],
)
def test_what_is_there_is_told(addresses: list[Address], line: str) -> None:
    assert banner(CONFIG, addresses) == line


def test_dashboard_that_is_off_is_not_told_of() -> None:
    config = Config(data_dir="/data", enable_dashboard=False)
    assert "dashboard" not in banner(config, [TCP])


def test_directory_is_told_as_a_path_that_leads_there_from_anywhere() -> None:
    assert f" {Path.cwd() / 'x.etcd'}," in banner(Config(data_dir="x.etcd"), [TCP])
