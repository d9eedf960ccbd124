"""etcd for ``unittest``."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from typing import Any, ClassVar

from etcdpy.testing.etcd import Etcd

__all__ = ["EtcdTestCase"]


class EtcdTestCase(unittest.TestCase):
    """
    A test case whose methods have ``self.etcd``, empty for each of them.

    Attributes:
        etcd: The server, one for the class.
        etcd_settings: Its settings.

    """

    etcd: ClassVar[Etcd]
    etcd_settings: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        """Start it."""
        super().setUpClass()
        cls.etcd = Etcd(**cls.etcd_settings).start()
        cls.addClassCleanup(cls.etcd.stop)

    def setUp(self) -> None:
        """Begin with nothing in it."""
        super().setUp()
        self.etcd.renew()
        # A cleanup, so that what a test has left is there until its own ones have run.
        self.addCleanup(self.etcd.reset)
