"""
What a person at a terminal is told once the server serves.

::

    etcdpy serves at http://127.0.0.1:2379, keeps its data in /home/me/default.etcd, and has a
    dashboard at http://127.0.0.1:2379/mod/dashboard/

all in one line, where no program reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etcdpy.config import Config
from etcdpy.http.paths import DASHBOARD
from etcdpy.server.doors import Use
from etcdpy.server.startup_log import Address

__all__ = ["banner"]

#: Of every address of the machine; a browser needs one of them.
_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - nothing is bound


def banner(config: Config, addresses: Sequence[Address]) -> str:
    """
    Return one line: where clients are served, where the data is, and where the dashboard is.

    Args:
        config: The settings.
        addresses: Where clients are served.

    """
    where = " and ".join(dict.fromkeys(_url(address) for address in addresses))
    data = Path(config.data_dir).absolute()
    page = _dashboard(config, addresses)
    if page is None:
        return f"etcdpy serves at {where} and keeps its data in {data}"
    return f"etcdpy serves at {where}, keeps its data in {data}, and has a dashboard at {page}"


def _url(address: Address) -> str:
    if address.is_unix:
        return f"{'unixs' if address.is_secure else 'unix'}://{address.text}"
    return f"{'https' if address.is_secure else 'http'}://{address.text}"


def _dashboard(config: Config, addresses: Sequence[Address]) -> str | None:
    """Return where a browser finds the dashboard, if it can be found by one."""
    pages = [one for one in addresses if one.traffic != Use.GRPC.value and not one.is_unix]
    for address in pages if config.enable_dashboard else ():
        host, _, port = address.text.rpartition(":")
        found = address._replace(text=f"{_ANY.get(host, host)}:{port}")
        return f"{_url(found)}{DASHBOARD}/"
    return None
