"""etcd in unittest."""

from __future__ import annotations

import unittest

from etcdpy.testing import EtcdTestCase


class Case(EtcdTestCase):
    """Two tests that would be in each other's way."""

    etcd_settings = {"clock": "frozen"}  # noqa: RUF012

    def first(self) -> None:
        assert self.etcd.put("a", "1") == 2

    def second(self) -> None:
        assert self.etcd.put("a", "1") == 2
        assert self.etcd.settings.clock == "frozen"


def test_each_method_has_an_empty_etcd_and_the_class_one_server() -> None:
    result = unittest.TestResult()
    unittest.TestSuite([Case("first"), Case("second")]).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
    assert Case.etcd._driver is None
