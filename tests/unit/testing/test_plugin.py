"""The plugin in suites of its own: what its users write, and what they see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(folder: Path, suite: str, *arguments: str, ini: str = "") -> str:
    """Run a suite by itself, as its users do, and return what was printed."""
    (folder / "test_suite.py").write_text(suite)
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
    command = [sys.executable, "-m", "pytest", "-p", "etcdpy.testing.plugin", *arguments]
    environment = environment_of_its_own()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def environment_of_its_own() -> dict[str, str]:
    """Return the variables for a suite that is no part of the run that it is in."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    for name in [name for name in environment if name.startswith(("PYTEST_ADD", "PYTEST_XDIST"))]:
        del environment[name]
    return environment


SUITE = """
import pytest

def test_first(etcd):
    assert etcd.put("a", "1") == 2

def test_second_has_nothing_of_the_first(etcd):
    assert etcd.data == {}
    assert etcd.put("a", "1") == 2

@pytest.mark.etcd(clock="frozen")
class TestMarked:
    @pytest.mark.etcd(max_txn_ops=7)
    def test_marks_add_up(self, etcd):
        assert etcd.settings.clock == "frozen"
        assert etcd.settings.flags == {"max-txn-ops": "7", "quota-backend-bytes": "1048576"}

def test_many(etcd, etcd_factory):
    one, two = etcd_factory(), etcd_factory(clock="frozen")
    assert len({etcd.port, one.port, two.port}) == 3

def test_session_is_not_reset(etcd_session):
    etcd_session.put("kept", "1")

def test_session_is_the_same(etcd_session):
    assert etcd_session.data == {"kept": "1"}

def test_left_behind(etcd):
    etcd.faults.raise_alarm("NOSPACE")
    etcd.clock.freeze()

def test_not_disturbed(etcd):
    etcd.put("a", "1")
    assert etcd.requests.count() == 0
"""


def test_fixtures_are_what_their_users_expect(tmp_path: Path) -> None:
    shown = run(
        tmp_path, SUITE, "--strict-markers", ini="etcd =\n    quota_backend_bytes = 1048576\n"
    )
    assert "8 passed" in shown, shown


FAILING = """
import urllib.request

def test_it(etcd):
    urllib.request.urlopen(f"{etcd.url}/v3/kv/put", data=b'{"key": "YQ==", "value": "YQ=="}')
    assert not etcd.data

def test_other():
    assert 0
"""


def test_failure_is_reported_with_what_etcd_has_seen(tmp_path: Path) -> None:
    shown = run(tmp_path, FAILING)
    assert "requests to etcd at 127.0.0.1:" in shown
    assert 'KV/Put key: "a" value: "a" -> OK' in shown
    assert "'a': 'a'" in shown
    assert shown.count("requests to etcd") == 1


LOOK = """
def test_it():
    import sys
    packages = ("etcdpy", "grpc", "uvloop")
    ours = sorted(name for name in sys.modules if name.split(".")[0] in packages)
    assert ours == ["etcdpy", "etcdpy.testing", "etcdpy.testing.plugin", "etcdpy.version"], ours
"""


def test_suite_without_etcd_imports_no_server(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, LOOK)


AS_PYTHON_DOES = """
import sys
from _pytest.assertion.rewrite import AssertionRewritingHook

def test_it(etcd):
    ours = {name: module for name, module in sys.modules.items() if name.startswith("etcdpy.")}
    assert "etcdpy.mvcc.store" in ours
    loaders = {name: module.__spec__.loader for name, module in ours.items()}
    rewritten = [name for name in loaders if isinstance(loaders[name], AssertionRewritingHook)]
    assert rewritten == ["etcdpy.testing.plugin"]
"""


def test_server_is_imported_as_it_is_without_pytest(tmp_path: Path) -> None:
    # What pytest does with all that is installed together with a plugin.
    asking = "import pytest\npytest.register_assert_rewrite('etcdpy.mvcc', 'etcdpy.testing.etcd')"
    (tmp_path / "conftest.py").write_text(asking)
    assert "1 passed" in run(tmp_path, AS_PYTHON_DOES)


def test_wrong_settings_are_an_error_of_the_test(tmp_path: Path) -> None:
    suite = "import pytest\n@pytest.mark.etcd(quota=1)\ndef test_it(etcd): pass\n"
    shown = run(tmp_path, suite)
    assert "no setting 'quota'" in shown
    assert "1 error" in shown


MANY = """
import grpc, pytest
from etcdpy.pb import rpc_pb2 as pb, rpc_pb2_grpc as stubs

@pytest.mark.parametrize("number", range({count}))
def test_lease_ends_and_is_watched(etcd, number):
    with grpc.insecure_channel(etcd.grpc_target) as channel:
        kv, lease = stubs.KVStub(channel), stubs.LeaseStub(channel)
        create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k"))
        stream = stubs.WatchStub(channel).Watch(iter([create]))
        assert next(stream).header.revision == 1
        granted = lease.LeaseGrant(pb.LeaseGrantRequest(TTL=10 + number % 50)).ID
        value = b"%d" % number
        assert kv.Put(pb.PutRequest(key=b"k", value=value, lease=granted)).header.revision == 2
        assert next(stream).events[0].kv.value == value
        etcd.clock.advance(60)
        [gone] = next(stream).events
        assert (gone.type, gone.kv.mod_revision) == (1, 3)
        assert (etcd.data, etcd.leases, etcd.requests.count("KV/Put")) == ({{}}, [], 1)
"""


def test_many_tests_on_two_workers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """``ETCDPY_TESTKIT_COUNT=1000`` runs as many."""
    pytest.importorskip("xdist")
    count = int(os.environ.get("ETCDPY_TESTKIT_COUNT", "40"))
    shown = run(tmp_path, MANY.format(count=count), "-p", "xdist", "-n", "2")
    assert f"{count} passed" in shown, shown


def test_plugin_is_installed_with_the_package() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\netcdpy = "etcdpy.testing.plugin"' in declared
