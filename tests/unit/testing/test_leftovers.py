"""A suite that leaves watches, threads and children behind leaves nothing of its etcd's behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.testing.test_plugin import environment_of_its_own

#: Looks at what is left when all fixtures are done with.
CONFTEST = """
import json, os, socket, threading

TOLD = {"threads": [], "ports": [], "folders": [], "sockets": [], "children": []}
KEPT = []

def note(etcd):
    TOLD["ports"].append(etcd.port)
    TOLD["folders"].append(os.path.dirname(etcd.unix_socket))

def sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                yield one.getsockname()
        except OSError:  # of those that list the directory, or of no address
            pass

def pytest_unconfigure(config):
    TOLD["threads"] = [one.name for one in threading.enumerate() if one.name.startswith("etcdpy")]
    in_process = TOLD["ports"][:1]
    TOLD["sockets"] = [
        at for at in sockets()
        if isinstance(at, str) and os.path.dirname(at) in TOLD["folders"]
        or isinstance(at, tuple) and at[1] in in_process
    ]
    with open("told.json", "w") as file:
        json.dump(TOLD, file)
    # What a client leaves to the end of Python is its own affair.
    for one in reversed(KEPT):
        (one.cancel if hasattr(one, "cancel") else one.close)()
"""

SUITE = """
import os, threading, time, urllib.request
import grpc, pytest
from conftest import KEPT, TOLD, note
from etcdpy.pb import rpc_pb2 as pb, rpc_pb2_grpc as stubs
from etcdpy.testing import Etcd

def test_first(etcd):
    note(etcd)

@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_leaves_a_child_that_was_forked(etcd):
    child = os.fork()
    if not child:
        # With all that it has of its parent, until it is killed.
        threading.Event().wait()
    TOLD["children"].append(child)

def test_leaves_a_watch(etcd):
    channel = grpc.insecure_channel(etcd.grpc_target)
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k"))
    stream = stubs.WatchStub(channel).Watch(iter([create]))
    assert next(stream).created
    KEPT.extend([channel, stream])

def test_leaves_a_thread_that_goes_on_writing(etcd):
    assert etcd.watchers == []

    def write():
        while True:
            try:
                urllib.request.urlopen(f"{etcd.url}/v3/kv/put", data=b'{"key": "aw=="}').close()
            except OSError:
                time.sleep(0.01)

    threading.Thread(target=write, daemon=True).start()
    etcd.requests.wait_for("KV/Put", count=3, timeout=60)

def test_leaves_a_server_in_another_process():
    note(Etcd(mode="process").start())

def test_the_last(etcd):
    assert etcd.history("other") == []
    if INTERRUPTED:
        raise KeyboardInterrupt
"""


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at files as Linux has them")
@pytest.mark.parametrize("interrupted", [False, True], ids=["to its end", "interrupted"])
def test_nothing_is_left_of_the_servers_of_a_suite(tmp_path: Path, interrupted: bool) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_suite.py").write_text(f"INTERRUPTED = {interrupted}\n{SUITE}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "etcdpy.testing.plugin"]
    environment = environment_of_its_own()
    # Not a pipe: the child that is left has its end of it for as long as it lives.
    with (tmp_path / "shown").open("w") as shown:
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=shown, stderr=shown)
    text = (tmp_path / "shown").read_text()
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    try:
        assert done.returncode == (2 if interrupted else 0), text
        assert ("5 passed" if interrupted else "6 passed") in text
        assert (told["threads"], told["sockets"]) == ([], [])
        assert len(told["ports"]) == 2
        assert [port for port in told["ports"] if is_open(port)] == []
        assert [folder for folder in told["folders"] if Path(folder).exists()] == []
        # It lives, and holds nothing of them all the same.
        os.kill(told["children"][0], 0)
    finally:
        for child in told["children"]:
            os.kill(child, signal.SIGKILL)
