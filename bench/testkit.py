"""
The test kit beside a real etcd: what a suite waits for.

``python -m bench testkit``. etcd has no reset, and its clock cannot be moved: for those it is
shown what a suite does instead, which is to start another one on an empty directory.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.servers import HERE, etcd
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.testing import Etcd
from etcdpy.testing.places import Places

ROUNDS = 9
LEASES = 1000
MANY_KEYS = 100_000
_IMAGE = "quay.io/coreos/etcd:v3.7.1"

_FIRST = """
import time
began = time.perf_counter()
from etcdpy.testing import Etcd
with Etcd():
    print(time.perf_counter() - began)
"""
_PLUGIN = """
import time, pytest
began = time.perf_counter()
import etcdpy.testing.plugin
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Row:
    """
    One line of the table.

    Attributes:
        title: What is measured.
        goal: Milliseconds that it may take, if that was decided.
        ours: Those that it took; None for what is shown to compare with.
        theirs: Those that etcd took, if it can do anything of the kind, or why that is not known.

    """

    title: str
    goal: float | None
    ours: float | None
    theirs: float | str | None = None


def table(rows: list[Row]) -> str:
    """Return rows as a table of Markdown."""
    lines = [
        "| the test kit, milliseconds | etcd | etcdpy | goal |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        theirs = "-" if row.theirs is None else row.theirs
        theirs = f"{theirs:.0f}" if isinstance(theirs, float) else theirs
        ours = "-" if row.ours is None else f"{row.ours:.1f}"
        goal = "-" if row.goal is None else f"{row.goal:g}"
        lines.append(f"| {row.title} | {theirs} | {ours} | {goal} |")
    return "\n".join(lines)


def measure(rounds: int = ROUNDS) -> list[Row]:
    """
    Measure everything.

    Raises:
        ServerError: There is no etcd to compare with.

    """
    _first()  # which compiles what is not compiled yet
    start = _median(_etcd_start, max(3, rounds // 3))
    rows = [
        Row("first etcd of a session, imports included", 150, _median(_first, rounds), start),
        Row("each further one: reset behind a short test", 2, _further(rounds * 10), start),
        Row("the same at once again, with nothing made ready", None, _reset(1, rounds * 10), start),
        Row(f"the same behind {MANY_KEYS:,} keys", 20, _reset(MANY_KEYS, 3), start),
    ]
    together, spread = _advance(is_spread=False), _advance(is_spread=True)
    rows += [
        Row(f"an hour passes, {LEASES:,} leases end at one moment", 100, together),
        Row(f"the same, each at a moment of its own, {LEASES:,} keys watched", 100, spread),
        Row("plugin in a suite without etcd", 5, _median(_plugin, rounds)),
    ]
    rows.append(Row("pifpaf run etcd -- true", None, None, _pifpaf()))
    rows.append(Row("a container of etcd, until it is healthy", None, None, _container()))
    return rows


def _median(once: Callable[[], float], rounds: int) -> float:
    return statistics.median(once() for _ in range(rounds)) * 1000


def _first() -> float:
    return float(_python(_FIRST))


def _plugin() -> float:
    return float(_python(_PLUGIN))


def _python(script: str) -> str:
    # As installed: compiled once, and not each time.
    unwanted = "PYTHONDONTWRITEBYTECODE"
    environment = {name: value for name, value in os.environ.items() if name != unwanted}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _etcd_start() -> float:
    """Return the seconds from starting etcd to its being healthy, without waiting for disks."""
    with tempfile.TemporaryDirectory() as folder:
        url, peer = (f"http://127.0.0.1:{port}" for port in _free_ports())
        flags = [f"--listen-client-urls={url}", f"--advertise-client-urls={url}"]
        flags += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        flags += [f"--initial-cluster=default={peer}", f"--data-dir={folder}/d"]
        command = [*etcd().command, *flags, "--unsafe-no-fsync", "--log-level=error"]
        began = time.perf_counter()
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while not _is_healthy(url):
                time.sleep(0.002)
            return time.perf_counter() - began
        finally:
            server.kill()
            server.wait()


def _free_ports() -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) / "a"), Places(Path(folder) / "b")
        for place in places:
            place.close()
        return places[0].port, places[1].port


def _is_healthy(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/health") as response:
        return bool(json.load(response)["health"] == "true")
    return False


def _further(rounds: int) -> float:
    """Return the milliseconds of a reset behind a test that puts, watches, grants and expires."""
    took = []
    with Etcd() as server, closing(grpc.insecure_channel(server.grpc_target)) as channel:
        for _ in range(rounds):
            lease, kv, watch = _stubs_of(channel)
            create = pb.WatchCreateRequest(key=b"k")
            stream = watch.Watch(iter([pb.WatchRequest(create_request=create)]))
            next(stream)
            granted = lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
            kv.Put(pb.PutRequest(key=b"k", lease=granted))
            server.clock.advance(61)
            next(stream)
            began = time.perf_counter()
            server.reset()
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _stubs_of(channel: grpc.Channel) -> tuple[Any, Any, Any]:
    stubs: Any = rpc_pb2_grpc
    return stubs.LeaseStub(channel), stubs.KVStub(channel), stubs.WatchStub(channel)


def _reset(keys: int, rounds: int) -> float:
    took = []
    with Etcd() as server:
        for _ in range(rounds):
            server.load({f"{number:08}": "x" * 64 for number in range(keys)})
            began = time.perf_counter()
            server.reset()
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _advance(*, is_spread: bool) -> float:
    with (
        Etcd(clock="frozen") as server,
        closing(grpc.insecure_channel(server.grpc_target)) as channel,
    ):
        lease, kv, watch = _stubs_of(channel)
        create = pb.WatchCreateRequest(key=b"\0", range_end=b"\0")
        stream = watch.Watch(iter([pb.WatchRequest(create_request=create)]))
        next(stream)
        for number in range(LEASES):
            ttl = 60 + 3 * number if is_spread else 60
            granted = lease.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl)).ID
            kv.Put(pb.PutRequest(key=b"%d" % number, lease=granted))
        began = time.perf_counter()
        server.clock.advance(3600)
        took = time.perf_counter() - began
        assert server.leases == []
        stream.cancel()
    return took * 1000


def _pifpaf() -> float | str:
    """Return the milliseconds of ``pifpaf run etcd`` around nothing, or why there are none."""
    program = shutil.which("pifpaf") or str(Path(sys.executable).with_name("pifpaf"))
    if not Path(program).exists():
        return "not installed here"
    # It looks for etcd, and for etcdctl to ask whether that is healthy, where commands are.
    folder = Path(etcd().command[0]).parent
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    port, peer = map(str, _free_ports())
    command = [program, "run", "etcd", "--port", port, "--peer-port", peer, "--", "true"]
    return _unless_refused(lambda: _timed(command, PATH=path))


def _container() -> float | str:
    """Return the milliseconds until etcd is healthy in a container, or why there are none."""
    engine = shutil.which("docker") or shutil.which("podman")
    if engine is None:
        return "no docker or podman here"
    if subprocess.run([engine, "info"], capture_output=True).returncode:
        return f"{Path(engine).name} is here, and nothing that would run a container for it"
    return _unless_refused(lambda: _container_start(engine))


def _container_start(engine: str) -> float:
    name, port = f"etcdpy-bench-{os.getpid()}", _free_ports()[0]
    url = f"http://127.0.0.1:{port}"
    flags = ["--listen-client-urls=http://0.0.0.0:2379", f"--advertise-client-urls={url}"]
    run = [engine, "run", "--detach", "--rm", f"--name={name}", f"--publish=127.0.0.1:{port}:2379"]
    # It is there before the clock starts: nobody pulls it for each test.
    subprocess.run([engine, "pull", _IMAGE], capture_output=True, check=True)
    began = time.perf_counter()
    try:
        subprocess.run([*run, _IMAGE, "etcd", *flags], capture_output=True, check=True)
        while not _is_healthy(url):
            time.sleep(0.002)
        return time.perf_counter() - began
    finally:
        subprocess.run([engine, "rm", "--force", name], capture_output=True)


def _unless_refused(once: Callable[[], float]) -> float | str:
    try:
        return _median(once, 3)
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        return f"refused: {told[-1].replace('|', '/')}"


def _timed(command: list[str], **variables: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=True)
    return time.perf_counter() - began
