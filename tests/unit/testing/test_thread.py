"""A server on a thread of its own comes and goes without a trace."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etcdpy.testing import Etcd
from etcdpy.testing.settings import Settings
from etcdpy.testing.thread import ServerThread

#: In a process of its own, where nobody else opens and closes anything.
COUNTING = """
import os, socket, threading
from etcdpy.testing.settings import Settings
from etcdpy.testing.thread import ServerThread

def count():
    return len(os.listdir("/proc/self/fd")), threading.active_count()

# Once before, for what is imported and made with the first.
ServerThread(Settings.of()).stop()
before = count()
for _ in range(3):
    server = ServerThread(Settings.of())
    server.call("put", key=b"a", value=b"1")
    server.call("reset")
    server.call("crash")
    server.call("restart")
    server.stop()
    server.stop()
with socket.create_server(("127.0.0.1", 0)) as other:
    try:
        ServerThread(Settings.of(port=other.getsockname()[1]))
    except OSError as error:
        print(error)
print(count() == before, server.engine.shelter.path.exists())
"""


def test_nothing_is_left_of_a_server_that_was_stopped_or_could_not_start() -> None:
    command = [sys.executable, "-W", "error", "-c", COUNTING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    refused, counts = done.stdout.splitlines()
    assert "in use" in refused
    assert (counts, "Warning" in done.stderr) == ("True False", False)


def test_stopped_server_answers_nothing() -> None:
    server = ServerThread(Settings.of())
    server.stop()
    with pytest.raises(RuntimeError, match="has been stopped"):
        server.call("revision")


def test_server_does_not_wait_for_itself() -> None:
    with Etcd() as etcd:
        told: list[BaseException] = []

        def ask() -> None:
            try:
                etcd.put("a", "1")
            except RuntimeError as error:
                told.append(error)

        driver = etcd._driver
        assert isinstance(driver, ServerThread)
        driver._loop.call_soon_threadsafe(ask)
        etcd.put("b", "1")
        assert "wait for itself" in str(told[0])


def _be_the_child(etcd: Etcd, tell: int) -> None:
    try:
        etcd.put("a", "1")
    except RuntimeError:
        os.write(tell, b"refused")
    # It lives on for as long as the parent looks, which then ends it.
    threading.Event().wait()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_of_the_test_does_it_no_harm() -> None:
    with Etcd() as etcd, socket.create_connection((etcd.host, etcd.port)) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += client.recv(1000)
        ready, tell = os.pipe()
        child = os.fork()
        if not child:
            _be_the_child(etcd, tell)
        try:
            assert os.read(ready, 7) == b"refused"
            assert etcd.put("a", "1") == 2
            etcd.crash()
            # The child holds neither the connection nor the port.
            assert client.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((etcd.host, etcd.port))
            etcd.restart()
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(ready)
            os.close(tell)


def test_nothing_is_left_by_a_process_that_stops_nothing() -> None:
    script = (
        "from etcdpy.testing import Etcd\n"
        "etcd = Etcd().start()\n"
        "print(etcd.unix_socket, flush=True)\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path(done.stdout.strip()).parent.exists()
