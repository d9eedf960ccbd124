"""What a start imports: no more than is needed, as a server serves once that is there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit.architecture.source import MODULES, ROOT

#: What a command line that is answered at once imports of ours; of packages also what is in them.
AT_ONCE = (
    *("cli", "cli.main", "config", "gostd", "logs", "server"),
    *("server.process_state", "version"),
)

#: Libraries of others that an ordinary server serves with. All else is for few, or for later.
LIBRARIES = {"google", "google_crc32c", "lmdb", "sortedcontainers"}

#: What an ordinary server is served without, of ours and of Python's, until somebody needs it.
LATER = (
    "etcdpy.auth.jwt_tokens",
    "etcdpy.cli.completion",
    "etcdpy.cli.snapshot",
    "etcdpy.concurrency.v2_locks",
    "etcdpy.config.file",
    "etcdpy.http.dashboard",
    "etcdpy.http.gateway",
    "etcdpy.http.json_reader",
    "etcdpy.http.metrics",
    "etcdpy.http.pprof",
    "etcdpy.http.router",
    "etcdpy.http.v2",
    "etcdpy.http.websocket",
    "etcdpy.logs.audit_file",
    "etcdpy.logs.rotation",
    "etcdpy.mvcc.check",
    "etcdpy.node.autocompactor",
    "etcdpy.node.periodic",
    "etcdpy.node.v2",
    "etcdpy.pb.kv_pb2_grpc",
    "etcdpy.pb.rpc_pb2_grpc",
    "etcdpy.server.auto_tls",
    "etcdpy.server.client_certificates",
    "etcdpy.server.http_doors",
    "etcdpy.server.pem",
    "etcdpy.server.tls",
    "etcdpy.server.v2_door",
    "etcdpy.storage.defrag_process",
    "etcdpy.storage.small_copy",
    "etcdpy.testing",
    "etcdpy.transport.aio.client_hello",
    "etcdpy.transport.aio.grpcio",
    "etcdpy.transport.aio.handshake",
    "etcdpy.transport.aio.http1",
    "etcdpy.transport.http1",
    "etcdpy.v2",
    "argparse",
    "bz2",
    "decimal",
    "email",
    "google.protobuf.descriptor_pool",
    "google.protobuf.internal.python_message",
    "gzip",
    "html",
    "http",
    "importlib.metadata",
    "lzma",
    "multiprocessing",
    "pickle",
    "shutil",
    "tempfile",
    "unittest",
)


def imported_by(statement: str) -> set[str]:
    """Return the names of all modules that a new Python has once it has run a statement."""
    script = (
        f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    )
    # Nothing of what this process was told for its own sake, such as to measure coverage.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-S", "-c", script]
    packages = [path for path in sys.path if "site-packages" in path]
    environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), *packages))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def of_server() -> set[str]:
    return imported_by("import etcdpy.cli.main, etcdpy.server.lifecycle")


def test_command_line_that_is_answered_at_once_imports_no_server() -> None:
    found = imported_by("import etcdpy.cli.main, etcdpy.config.usage")
    ours = {name.removeprefix("etcdpy").removeprefix(".") for name in found & _full_names()}
    of_these = {name for name in ours if name in AT_ONCE or name.rpartition(".")[0] in AT_ONCE}
    assert sorted(ours - of_these - {""}) == []
    assert not found & {"asyncio", "ssl", "google.protobuf", "lmdb", "grpc"}


def test_ordinary_server_imports_few_libraries(of_server: set[str]) -> None:
    first_parts = {name.partition(".")[0] for name in of_server}
    others = {name for name in first_parts if name not in sys.stdlib_module_names}
    # What extensions bring along that Cython or mypyc has made.
    others = {name for name in others if not name.startswith(("_cython", "cython_runtime"))}
    others = {name for name in others if not name.endswith("__mypyc")}
    assert others == LIBRARIES | {"etcdpy"}


def test_ordinary_server_imports_nothing_that_can_wait(of_server: set[str]) -> None:
    assert [name for name in LATER if name in of_server] == []


def test_doors_of_http_are_there_without_what_few_of_their_requests_need() -> None:
    found = imported_by("import etcdpy.transport.aio.http1, etcdpy.server.http_doors")
    assert not found & {"email", "html", "websockets", "etcdpy.http.pprof"}


def test_what_can_wait_is_there() -> None:
    missing = [name for name in LATER if name.startswith("etcdpy") and not _is_there(name)]
    assert missing == []


def _is_there(name: str) -> bool:
    inner = name.removeprefix("etcdpy.")
    return inner in MODULES or (ROOT / "etcdpy" / f"{inner.replace('.', '/')}.py").exists()


def _full_names() -> set[str]:
    return {f"etcdpy.{name}" if name else "etcdpy" for name in MODULES}
