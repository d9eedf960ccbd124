"""kill -9 while the v2 tree is written to: what was acknowledged is there, with its history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import NamedTuple

import pytest

from tests.support.servers import Server, etcdpy_server
from tests.support.v2 import V2Client

ROUNDS = 3
WRITERS = 4
#: Acknowledged by one of them before the kill.
LEAST = 60


class Written(NamedTuple):
    """A write that was acknowledged."""

    at: int
    key: str
    value: str


@pytest.fixture
def server() -> Iterator[Server]:
    with etcdpy_server(args=["--enable-v2"]) as server:
        yield server


class Writer(threading.Thread):
    """Writes until the server is gone: the same few keys, new ones in order, and deletions."""

    def __init__(self, address: str, name: str, enough: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._root = f"/{name}"
        self._enough = enough
        self.written: list[Written] = []
        #: Deleted, and acknowledged.
        self.deleted: dict[str, int] = {}

    def run(self) -> None:
        # Whatever is cut off by the kill.
        with suppress(OSError, ValueError, IndexError), closing(V2Client(self._address)) as client:
            for number in range(100_000):
                if number % 3 == 0:
                    reply = client.ask("POST", f"{self._root}/q", f"value={number}")
                else:
                    key = f"{self._root}/k{number % 5}"
                    if number % 7 == 0 and client.ask("DELETE", key).status == 200:
                        self.deleted[key] = number
                    reply = client.ask("PUT", key, f"value={number}")
                node = reply.json["node"]
                self.written.append(Written(reply.index, node["key"], node["value"]))
                if number == LEAST:
                    self._enough.set()


def kill_under_writers(server: Server, round_: int) -> list[Writer]:
    """Kill the server while it is written to; return who did."""
    enough = threading.Event()
    writers = [Writer(server.address, f"r{round_}w{n}", enough) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    server.kill()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    return writers


def test_what_was_acknowledged_is_there_with_its_index(server: Server) -> None:
    for round_ in range(ROUNDS):
        writers = kill_under_writers(server, round_)
        server.start()
        with closing(V2Client(server.address)) as client:
            written = [one for writer in writers for one in writer.written]
            newest = max(one.at for one in written)
            assert client.index() >= newest
            last = {one.key: one for one in sorted(written)}
            for one in last.values():
                found = client.ask("GET", one.key)
                # The last write may have been on its way, and nobody was told.
                if found.status == 200 and found.json["node"]["modifiedIndex"] == one.at:
                    assert found.json["node"]["value"] == one.value
                else:
                    assert "/q/" not in one.key
                    assert found.index > one.at
            for one in sorted(written)[-20:]:
                with client.watch(one.key, f"waitIndex={one.at}") as watch:
                    event = watch.next()
                assert event["node"]["modifiedIndex"] == one.at
                assert event["node"]["value"] == one.value
            assert client.ask("PUT", "/after", "value=v").index > newest


def test_time_to_live_goes_on_after_a_kill(server: Server) -> None:
    with closing(V2Client(server.address)) as client:
        long = client.ask("PUT", "/long", "value=v&ttl=1000").json["node"]
        client.ask("PUT", "/d/k", "value=v")
        made = client.ask("PUT", "/d", "dir=true&prevExist=true&ttl=2").index
    server.kill()
    server.start()
    with closing(V2Client(server.address)) as client:
        found = client.ask("GET", "/long").json["node"]
        assert found["expiration"] == long["expiration"]
        # Before the kill or after it, which depends on how long the start took.
        with client.watch("/d", f"waitIndex={made + 1}") as watch:
            event = watch.next()
        assert (event["action"], event["node"]["key"]) == ("expire", "/d")
        assert client.ask("GET", "/d/k").json["errorCode"] == 100


def test_removed_directory_is_gone_for_good(server: Server) -> None:
    with closing(V2Client(server.address)) as client:
        for number in range(300):
            client.ask("PUT", f"/d/{number % 10}/{number}", "value=v")
        removed = client.ask("DELETE", "/d?recursive=true")
    server.kill()
    server.start()
    with closing(V2Client(server.address)) as client:
        assert client.ask("GET", "/d").json["errorCode"] == 100
        assert client.index() == removed.index
        client.ask("PUT", "/d/1/new", "value=v")
        nodes = client.ask("GET", "/d?recursive=true").json["node"]["nodes"]
        assert [node["key"] for node in nodes] == ["/d/1"]
        assert [node["key"] for node in nodes[0]["nodes"]] == ["/d/1/new"]
