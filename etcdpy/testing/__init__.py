"""
etcd for test suites: a server inside the test, whose clock, faults and requests are the test's.

>>> from etcdpy.testing import Etcd
>>> with Etcd() as etcd:
...     etcd.put("greeting", "hello")
...     etcd.data
2
{'greeting': 'hello'}

Importing this imports no server: that happens when one is started. With pytest, ``pip install
'etcdpy[pytest]'`` is all that the fixture ``etcd`` needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etcdpy.testing.cases import EtcdTestCase
    from etcdpy.testing.clock import MovableClock
    from etcdpy.testing.etcd import Etcd
    from etcdpy.testing.requests import Request, on_keys

__all__ = ["Etcd", "EtcdTestCase", "MovableClock", "Request", "on_keys"]


#: Where each of them is.
_MODULES = {
    "Etcd": "etcd",
    "EtcdTestCase": "cases",
    "MovableClock": "clock",
    "Request": "requests",
    "on_keys": "requests",
}


def __getattr__(name: str) -> Any:
    # Only now: a plugin is imported by suites that have nothing to do with etcd.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etcdpy.testing.garbage import garbage_kept

    with garbage_kept():
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
