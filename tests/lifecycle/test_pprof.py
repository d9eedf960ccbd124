"""What a running server tells of itself under ``/debug/pprof/``, to whom, and until when."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from etcdpy.pb import rpc_pb2
from etcdpy.version import IS_COMPILED
from tests.lifecycle.process import PORT_0, SERVING, SERVING_SECURELY, Process
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.http1 import Answer, get, request
from tests.support.http1 import Client as HttpClient
from tests.support.ports import free_port

ROOT = "/debug/pprof/"
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
URL = "http://127.0.0.1:2379"

OK, REFUSED, FAILED = "HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden", "500 Internal Server Error"


class Served(NamedTuple):
    """A server that runs, and where clients on its machine find it."""

    address: str
    pid: int


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that every address of this machine leads to."""
    port = free_port()
    urls = (f"--listen-client-urls=http://0.0.0.0:{port}", f"--advertise-client-urls={URL}")
    folder = tmp_path_factory.mktemp("pprof") / "data"
    with Process("--data-dir", folder, "--enable-pprof", *urls) as process:
        process.wait_ready()
        yield Served(f"127.0.0.1:{port}", process.pid)


@pytest.fixture(scope="module")
def _may_look(server: Served) -> None:
    """Skip tests of profiles where there can be none: in some containers, on a new Python."""
    answer = get(server.address, ROOT + "profile?seconds=1").body.decode()
    if "the system lets no process" in answer or "Unsupported version of Python" in answer:
        pytest.skip(answer)


def profile(address: str, **asked: str | int) -> str:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = get(address, f"{ROOT}profile?{query}")
    assert answer.status == OK, answer.body
    return answer.body.decode()


@contextmanager
def load(address: str) -> Iterator[None]:
    """Put keys until the block ends, enough to be seen in each second."""
    done = threading.Event()

    def put() -> None:
        with closing(Client(address)) as client:
            while not done.wait(0.01):
                calls = [
                    client.kv.Put.future(rpc_pb2.PutRequest(key=b"hunter2-%d" % number))
                    for number in range(50)
                ]
                for call in calls:
                    call.result(timeout=60)

    thread = threading.Thread(target=put)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("_may_look")
def test_profile_tells_what_of_ours_takes_time(server: Served) -> None:
    with load(server.address):
        found = profile(server.address, seconds=2)
    stacks = [line.rpartition(" ") for line in found.splitlines()]
    assert all(number.isdigit() for _, _, number in stacks)
    times: Counter[str] = Counter()
    for stack, _, number in stacks:
        # Before Python 3.11 code does not know the class that it is in.
        called = {call.partition(" (")[0].rpartition(".")[2] for call in stack.split(";")}
        times.update(dict.fromkeys(called, int(number)))
    assert any("MainThread" in stack for stack, _, _ in stacks)
    assert times["_serve_until_signal"] == 0, "it only waits"
    assert {"data_received", "receive", "flush", "_flush"} & times.keys()
    assert "etcdpy/transport/" in found


@pytest.mark.usefixtures("_may_look")
def test_flame_graph_is_a_whole_picture(server: Served) -> None:
    with load(server.address):
        found = profile(server.address, seconds=1, format="flamegraph")
    picture = ElementTree.fromstring(found)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert "etcdpy, for 1 seconds" in found
    assert "MainThread" in found
    assert not re.search(r'(src|href)="(?!#)', found), "it needs nothing from elsewhere"


@pytest.mark.skipif(IS_COMPILED, reason="a compiled coroutine tells nobody where it stands")
def test_dump_names_the_committer_and_what_calls_wait_for(server: Served) -> None:
    with closing(Client(server.address)) as client:
        watched = rpc_pb2.WatchCreateRequest(key=b"hunter2")
        stream = client.watch.Watch(iter([rpc_pb2.WatchRequest(create_request=watched)]))
        assert next(stream).created
        text = get(server.address, ROOT + "goroutine?debug=2").body.decode()
        stream.cancel()
    assert "\nthread committer:\n" in text
    assert "/etcdpy/storage/commit.py:" in text
    assert re.search(r"\ntask Task-\d+ \[waiting\]:\n(?:.*\n)*?.*serve_until_signal\n", text)
    assert "/etcdpy/services/watch.py:" in text
    assert "hunter2" not in text


@pytest.mark.usefixtures("_may_look")
def test_there_is_one_profile_at_a_time_and_it_ends_with_its_client(server: Served) -> None:
    with HttpClient(server.address) as first:
        first.send(request(ROOT + "profile?seconds=600"))
        # It is under way once another one is refused.
        refused = until(server.address, FAILED)
        assert refused.body == b"Could not enable CPU profiling: cpu profiling already in use\n"
    assert until(server.address, OK).status == OK
    assert py_spies_of(server.pid) == []


def until(address: str, status: str) -> Answer:
    """Ask for a profile of a second until the answer has this status."""
    while True:
        answer = get(address, ROOT + "profile?seconds=1")
        if answer.status.endswith(status):
            return answer


def py_spies_of(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("the system does not tell which processes another one has started")
    return children.read_text().split()


def test_clients_elsewhere_are_refused(server: Served) -> None:
    # No packet is sent: the system only says from where it would be.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback's")
    outside = f"{own}:{server.address.rpartition(':')[2]}"
    assert get(outside, "/health").status == OK
    for path in ("", "profile?seconds=1", "threads", "nope"):
        assert get(outside, ROOT + path).status == REFUSED
        assert "--pprof-allow-remote" in get(outside, ROOT + path).body.decode()


@pytest.mark.usefixtures("_may_look")
def test_commands_of_the_page_work(server: Served, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    block = next(
        block
        for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if ROOT in block
    )
    commands = re.findall(r"^\$ (.*)\n((?:[^$\n].*\n)*)", block, re.MULTILINE)
    assert len(commands) == 5
    with load(server.address):
        for command, shown in commands:
            here = command.replace(URL, f"http://{server.address}")
            # A command of the page, which is ours.
            ran = subprocess.run(
                ["bash", "-c", here], capture_output=True, check=True, timeout=60, cwd=tmp_path
            )
            pattern = re.escape(shown.rstrip("\n")).replace("…", ".*")
            assert re.match(pattern, ran.stdout.decode()), command
            assert ran.stdout or "-o profile.svg" in command, command
    assert (tmp_path / "profile.svg").read_text().endswith("</svg>")


@pytest.mark.usefixtures("_may_look")
def test_it_is_where_clients_are_and_over_tls(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "certificates")
    pair = authority.server()
    http, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
    options = (
        "--listen-client-urls=https://127.0.0.1:0",
        "--advertise-client-urls=https://127.0.0.1:2379",
        f"--listen-client-http-urls=https://{http}",
        f"--listen-metrics-urls=http://{metrics}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        "--enable-pprof",
    )
    with Process("--data-dir", tmp_path / "data", *options) as server:
        server.wait_ready(listeners=2, serving=SERVING_SECURELY)
        assert server.find("pprof is enabled")["path"] == "/debug/pprof"
        where, trusting = f"https://{http}{ROOT}", authority.trusting()
        with urllib.request.urlopen(where + "threads", context=trusting) as answer:
            assert b"committer" in answer.read()
        with urllib.request.urlopen(where + "profile?seconds=1", context=trusting) as answer:
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert get(metrics, ROOT).status == "HTTP/1.1 404 Not Found"


@pytest.mark.usefixtures("_may_look")
def test_server_that_stops_does_not_wait_for_a_profile(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, "--enable-pprof", *PORT_0) as server:
        (address,) = server.wait_ready(serving=SERVING)
        with HttpClient(address) as client:
            client.send(request(ROOT + "profile?seconds=600"))
            until(address, FAILED)
            server.signal(signal.SIGTERM)
            # Where py-spy has just begun there is nothing to tell.
            assert client.answer().status in (OK, f"HTTP/1.1 {FAILED}")
        assert server.wait() == -signal.SIGTERM


def test_it_is_not_there_unless_it_is_wanted(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        for path in (ROOT, ROOT[:-1], ROOT + "profile?seconds=1"):
            assert get(address, path).body == b"404 page not found\n"
