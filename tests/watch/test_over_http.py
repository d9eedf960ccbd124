"""
A watch over HTTP tells of every event, once, in order, at a thousand events a second.

``ETCDPY_WATCH_EVENTS`` sets how many there are, and ``ETCDPY_WATCH_RATE`` how many in a second. The
rate that there was is printed.
"""

from __future__ import annotations

import json
import os
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from websockets.sync.client import connect

from etcdpy.pb import rpc_pb2 as pb
from tests.support import http1
from tests.support.client import Client
from tests.support.servers import etcdpy_server

EVENTS = int(os.environ.get("ETCDPY_WATCH_EVENTS") or 1000)
RATE = int(os.environ.get("ETCDPY_WATCH_RATE") or 1000)
#: What is put before anybody waits for it.
BATCH = 20
#: Seconds for which one does not read, unless all is there before: who takes nothing is given up.
PAUSE = 8.0

WATCH = b'{"create_request":{"key":"dy8=","range_end":"dzA="}}'

#: Yields the lines of a watch.
Lines = Callable[[str], Iterator[bytes]]


def over_http(address: str) -> Iterator[bytes]:
    with http1.Client(address) as client:
        client.send(http1.request("/v3/watch", "POST", body=WATCH))
        client.head()
        rest = b""
        while chunk := client.chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def over_websocket(address: str) -> Iterator[bytes]:
    with connect(f"ws://{address}/v3/watch", max_size=None) as socket:
        socket.send(WATCH.decode())
        for line in socket:
            yield line.encode() if isinstance(line, str) else line


class Watcher:
    """Somebody who notes what he is told until it is all."""

    def __init__(self, address: str, lines: Lines, *, pauses: bool) -> None:
        self.told: list[tuple[int, bytes]] = []
        self.failures: list[BaseException] = []
        self.created = threading.Event()
        self.goes_on = threading.Event()
        if not pauses:
            self.goes_on.set()
        self._lines = lines(address)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        assert not self.failures, self.failures

    def _run(self) -> None:
        try:
            with closing(self._lines) as lines:  # type: ignore[type-var]
                for line in lines:
                    self._note(json.loads(line)["result"])
                    if len(self.told) >= EVENTS:
                        return
        except BaseException as error:  # noqa: BLE001 (handed to the test's thread)
            self.failures.append(error)
            self.created.set()

    def _note(self, result: Any) -> None:
        if result.get("created"):
            self.created.set()
            self.goes_on.wait(PAUSE)
        for event in result.get("events", ()):
            kv = event["kv"]
            self.told.append((int(kv["mod_revision"]), b64decode(kv["key"])))


def put_all(client: Client) -> list[tuple[int, bytes]]:
    """Put keys at the rate that is wanted; return what a watch should tell."""
    began = time.monotonic()
    put: list[tuple[int, bytes]] = []
    for first in range(0, EVENTS, BATCH):
        keys = [b"w/%d" % number for number in range(first, min(first + BATCH, EVENTS))]
        calls = [client.kv.Put.future(pb.PutRequest(key=key, value=key)) for key in keys]
        put += [(call.result().header.revision, key) for call, key in zip(calls, keys, strict=True)]
        due = began + len(put) / RATE
        time.sleep(max(0.0, due - time.monotonic()))
    print(f"\n{EVENTS} events, {EVENTS / (time.monotonic() - began):.0f} in a second")
    return sorted(put)


@pytest.mark.parametrize("lines", [over_http, over_websocket])
def test_no_event_is_lost(lines: Lines) -> None:
    with etcdpy_server() as server, closing(Client(server.address)) as client:
        watchers = [Watcher(server.address, lines, pauses=pauses) for pauses in (False, True)]
        for watcher in watchers:
            assert watcher.created.wait(60)
        put = put_all(client)
        for watcher in watchers:
            watcher.goes_on.set()
            watcher.join()
            assert watcher.told == put
