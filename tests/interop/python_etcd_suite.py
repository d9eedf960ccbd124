"""
Runs the integration tests of python-etcd's authors, and a session of locks, at a given server.

    python python_etcd_suite.py PORT PATTERN

Prints what became of each test whose name matches the pattern: ``{"Class.test": "ok"}``. The tests
would start a cluster of three; here they get the server that is there. They were written for a
Python and tools that are gone, which is all that is put in their place.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import re
import sys
import threading
import types
import unittest
from collections.abc import Callable, Iterator
from typing import Any


def stand_in(name: str, **members: object) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def prepare(port: int) -> Any:
    """Put in what is missing, and return the module of tests."""
    stand_in("nose")
    stand_in("nose.tools", nottest=lambda test: test)
    stand_in("OpenSSL", crypto=None)
    multiprocessing.set_start_method("fork")  # what is run in them cannot be sent to them
    case: Any = unittest.TestCase
    for old, new in (("assertEquals", "assertEqual"), ("assertNotEquals", "assertNotEqual")):
        setattr(case, old, getattr(case, new))
    etcd: Any = importlib.import_module("etcd")
    connect = etcd.Client

    def connect_here(*args: Any, **options: Any) -> Any:
        """Return a client of the server that is there, whichever port was meant."""
        return connect(*args, **{**options, "port": port})

    etcd.Client = connect_here
    simple: Any = importlib.import_module("etcd.tests.integration.test_simple")

    def set_up(cls: Any) -> None:
        cls.client = etcd.Client()

    simple.EtcdIntegrationTest.setUpClass = classmethod(set_up)
    simple.EtcdIntegrationTest.tearDownClass = classmethod(lambda cls: None)
    # Of its own server it knows the port.
    machine = f"http://127.0.0.1:{port}"

    def test_machines(self: Any) -> None:
        assert self.client.machines[0] == machine

    def test_leader(self: Any) -> None:
        assert machine in self.client.leader["clientURLs"]

    simple.TestSimple.test_machines = test_machines
    simple.TestSimple.test_leader = test_leader
    return simple


def refuses(error: type[Exception], call: Callable[..., object], *args: Any, **how: Any) -> bool:
    try:
        call(*args, **how)
    except error:
        return True
    return False


class TestSession(unittest.TestCase):
    """What the others leave out: locks, in-order keys, counters, and watching for long."""

    client: Any

    @classmethod
    def setUpClass(cls) -> None:
        cls.client = sys.modules["etcd"].Client()

    def test_lock_passes_on(self) -> None:
        etcd: Any = sys.modules["etcd"]
        first, second = etcd.Lock(self.client, "job"), etcd.Lock(etcd.Client(), "job")
        assert first.acquire(lock_ttl=60)
        assert not second.acquire(blocking=False, lock_ttl=60)
        waiting = threading.Thread(target=second.acquire, kwargs={"lock_ttl": 60})
        waiting.start()
        first.release()
        waiting.join(30)
        assert second.is_acquired
        assert not first.is_acquired
        second.release()

    def test_lock_is_a_context(self) -> None:
        etcd: Any = sys.modules["etcd"]
        with etcd.Lock(self.client, "block") as lock:
            assert lock.is_acquired
        assert not lock.is_acquired

    def test_keys_in_order(self) -> None:
        keys = [self.client.write("/queue", n, append=True).key for n in range(3)]
        assert keys == sorted(keys)
        read = self.client.read("/queue", sorted=True, recursive=True)
        assert [child.value for child in read.children] == ["0", "1", "2"]

    def test_times_to_live(self) -> None:
        assert self.client.write("/ttl", 1, ttl=100).ttl == 100
        assert self.client.refresh("/ttl", 200).ttl == 200
        assert self.client.read("/ttl").value == "1"

    def test_pop_and_compare(self) -> None:
        etcd: Any = sys.modules["etcd"]
        self.client.write("/pop", "x")
        assert refuses(etcd.EtcdCompareFailed, self.client.delete, "/pop", prevValue="y")
        assert self.client.pop("/pop").value == "x"
        assert refuses(etcd.EtcdKeyNotFound, self.client.pop, "/pop")

    def test_stats(self) -> None:
        assert self.client.stats["state"] == "StateLeader"
        assert self.client.leader_stats["followers"] == {}
        assert self.client.store_stats["setsSuccess"] > 0

    def test_eternal_watch(self) -> None:
        index = self.client.write("/eternal/a", 0).modifiedIndex
        for n in range(1, 4):
            self.client.write("/eternal/a", n)
        heard = self.client.eternal_watch("/eternal", index=index, recursive=True)
        assert [next(heard).value for _ in range(4)] == ["0", "1", "2", "3"]


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            assert isinstance(test, unittest.TestCase)
            yield test


def main(port: int, pattern: str) -> None:
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(
        [
            loader.loadTestsFromModule(prepare(port)),
            loader.loadTestsFromTestCase(TestSession),
        ]
    )
    told: dict[str, str] = {}
    for case in cases(suite):
        name = ".".join(case.id().split(".")[-2:])
        if re.search(pattern, name):
            type(case).setUpClass()
            result = unittest.TestResult()
            case.run(result)
            wrong = [text for _, text in (*result.failures, *result.errors)]
            told[name] = wrong[0] if wrong else "ok"
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
