"""In whatever state a server is started, SIGTERM and SIGINT stop it, and little else does."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.lifecycle.process import PORT_0, READY, Process
from tests.support.child import TIMEOUT
from tests.support.client import Client

#: Signals that etcd does not even notice: of those 35 and above there are many.
UNHEARD = (
    "SIGUSR1 SIGUSR2 SIGALRM SIGVTALRM SIGPROF SIGIO SIGPWR SIGXCPU SIGXFSZ SIGPIPE SIGURG SIGCHLD"
    " SIGCONT SIGWINCH"
)
UNHEARD_NUMBERS = [
    *(int(getattr(signal, name)) for name in UNHEARD.split(" ")),
    *range(35, 65),
]
DEADLY = [signal.SIGHUP, 34]


def started(state: str) -> tuple[str, str]:
    """A program that brings about a state and is etcdpy then."""
    code = f"import os, signal, sys; {state}; "
    return "-c", code + "os.execv(sys.executable, [sys.executable, '-m', 'etcdpy', *sys.argv[1:]])"


def put(address: str) -> None:
    with closing(Client(address)) as client:
        client.kv.Put(pb.PutRequest(key=b"k"), timeout=60)


@contextmanager
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that a server tells of its state, as its log may be out of reach."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(tmp_path / "notify"))
        ready.settimeout(TIMEOUT)
        yield ready


def wait_ready(ready: socket.socket, server: Process) -> None:
    try:
        assert ready.recv(100) == b"READY=1"
    except TimeoutError:
        raise AssertionError(server.output()) from None


def serving_unix(tmp_path: Path, where: Path, state: str, *flags: str) -> Process:
    return Process(
        *("--data-dir", tmp_path / "data", f"--listen-client-urls=unix://{where}"),
        *("--advertise-client-urls=http://127.0.0.1:1", *flags),
        environment={"NOTIFY_SOCKET": str(tmp_path / "notify")},
        program=started(state),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "state",
    [
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
        "[signal.signal(number, signal.SIG_IGN) for number in (2, 15)]",
    ],
    ids=["blocked", "ignored"],
)
def test_a_stop_is_heard_though_the_parent_did_not_want_to_hear(
    tmp_path: Path, number: signal.Signals, state: str
) -> None:
    with Process("--data-dir", tmp_path, *PORT_0, program=started(state)) as server:
        (address,) = server.wait_ready()
        put(address)
        server.signal(number)
        assert server.wait() == -number
        assert server.messages()[-1] == "closed etcd server"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_closed_streams_are_no_obstacle(
    tmp_path: Path, closed: tuple[int, ...], transport: str
) -> None:
    where, log = tmp_path / "clients", tmp_path / "log"
    state = f"[os.close(number) for number in {closed}]"
    flags = (f"--transport={transport}", f"--log-outputs=stderr,{log}")
    with notified(tmp_path) as ready, serving_unix(tmp_path, where, state, *flags) as server:
        wait_ready(ready, server)
        put(f"unix:{where}")
        for number in closed:
            assert os.readlink(f"/proc/{server.pid}/fd/{number}") == os.devnull
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    assert '"msg":"closed etcd server"' in log.read_text().splitlines()[-1]


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["--no-such-flag"]])
def test_commands_end_alike_with_closed_streams(words: list[str]) -> None:
    closing_all = started("[os.close(number) for number in (0, 1, 2)]")
    with Process(*words) as usual, Process(*words, program=closing_all) as unusual:
        status, _, _ = usual.output()
        assert unusual.output() == (status, "", "")


@contextmanager
def running_etcd(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    etcd = shutil.which("etcd", path=Path(sys.executable).parent)
    if etcd is None:
        pytest.skip("no etcd to compare with")
    command = [
        etcd,
        f"--data-dir={tmp_path / 'etcd'}",
        "--advertise-client-urls=http://127.0.0.1:1",
    ]
    command += [f"--listen-{kind}-urls=http://127.0.0.1:0" for kind in ("client", "peer")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while READY not in process.stderr.readline():
            assert process.poll() is None
        yield process
        process.kill()


def test_signals_that_etcd_ignores_are_ignored(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path / "data", *PORT_0) as server:
        (address,) = server.wait_ready()
        for number in UNHEARD_NUMBERS:
            os.kill(server.pid, number)
            put(address)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    with running_etcd(tmp_path) as etcd:
        for number in UNHEARD_NUMBERS:
            etcd.send_signal(number)
        etcd.send_signal(signal.SIGTERM)
        assert etcd.wait(TIMEOUT) == -signal.SIGTERM


@pytest.mark.usefixtures("_sighup_is_not_ignored")
@pytest.mark.parametrize("number", DEADLY)
def test_signals_that_end_etcd_at_once_do_so(tmp_path: Path, number: int) -> None:
    with Process("--data-dir", tmp_path / "data", *PORT_0) as server:
        server.wait_ready()
        os.kill(server.pid, number)
        assert server.wait() == -number
    with running_etcd(tmp_path) as etcd:
        etcd.send_signal(number)
        assert etcd.wait(TIMEOUT) == -number


@pytest.mark.parametrize(
    "state",
    [
        "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
        "ends = os.pipe(); os.close(ends[0]); os.dup2(ends[1], 2)",
    ],
    ids=["full", "nobody reads"],
)
def test_a_log_that_takes_no_lines_is_no_obstacle(tmp_path: Path, state: str) -> None:
    where = tmp_path / "clients"
    with notified(tmp_path) as ready, serving_unix(tmp_path, where, state) as server:
        wait_ready(ready, server)
        put(f"unix:{where}")
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
