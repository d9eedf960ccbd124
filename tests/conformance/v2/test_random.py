"""
Random requests to both servers, and those who watch meanwhile.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_V2_COUNT`` sets its length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from random import Random

import pytest

from tests.conformance.v2.conftest import REFERENCE, SUBJECT, start
from tests.conformance.v2.generator import Request, Wish, request, wish
from tests.support.seeds import SEED
from tests.support.v2 import Reply, V2Client, Watch, comparable, comparable_body

COUNT = int(os.environ.get("ETCDPY_V2_COUNT") or 600)

#: Requests in a directory of their own. Watchers hear of fewer than they may leave unread.
EPOCH = 60
WATCHERS = 6


class Both:
    """The two servers."""

    def __init__(self, addresses: list[str]) -> None:
        self.ours, self.etcds = (V2Client(address) for address in addresses)
        self.asked: list[Request] = []

    def close(self) -> None:
        self.ours.close()
        self.etcds.close()

    def ask(self, asked: Request) -> Reply:
        """Ask both for the same, and have the same answered."""
        self.asked.append(asked)
        ours, etcds = (one.ask(*asked) for one in (self.ours, self.etcds))
        if asked.method == "HEAD":
            ours, etcds = (Reply(one.status, {}, b"") for one in (ours, etcds))
        assert comparable(ours) == comparable(etcds), self.story()
        return etcds

    def is_directory(self, path: str) -> bool:
        return b'"node":{"key"' in (body := self.etcds.ask("GET", path).body) and (
            b'"dir":true,' in body or b'"dir":true}' in body
        )

    def watch(self, path: str, wish: Wish, newest: int) -> tuple[Watch, Watch]:
        query = f"recursive={wish.recursive}&stream={wish.stream}"
        if wish.since:
            query += f"&waitIndex={max(1, newest + wish.since)}"
        ours, etcds = (one.watch(path, query) for one in (self.ours, self.etcds))
        assert ours.index == etcds.index, self.story()
        return ours, etcds

    def story(self) -> str:
        """Return what was asked."""
        shown = "\n".join(f"  {one.method} {one.path} {one.form}" for one in self.asked)
        return f"ETCDPY_SEED={SEED}, after\n{shown}"


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with ExitStack() as running:
        addresses = []
        for kind in (SUBJECT, REFERENCE):
            server = start(kind)
            addresses.append(next(server).address)
            running.callback(next, server, None)
        pair = Both(addresses)
        running.callback(pair.close)
        yield pair


def test_random_requests(both: Both) -> None:
    print(f"ETCDPY_SEED={SEED}")
    first = both.ask(Request("PUT", "/first", "value=1"))
    assert first.index == 4, "the first write of a fresh store"
    for epoch in range(0, COUNT, EPOCH):
        both.asked.clear()
        _run(both, epoch, min(EPOCH, COUNT - epoch))


def _run(both: Both, epoch: int, number: int) -> None:
    random = Random(f"{SEED}/{epoch}")
    root = f"/run{epoch}"
    begins = sorted(random.randrange(number) for _ in range(WATCHERS))
    with ExitStack() as watching:
        watches: list[tuple[str, Wish, Watch, Watch]] = []
        newest = both.etcds.index()
        for step in range(number):
            while begins and begins[0] <= step:
                begins.pop(0)
                wanted = wish(random)
                path = f"{root}{wanted.path}"
                pair = both.watch(path, wanted, newest)
                for one in pair:
                    watching.enter_context(one)
                both.asked.append(Request("WATCH", path, str(wanted)))
                watches.append((path, wanted, *pair))
            asked = _possible(both, request(random, newest), root)
            reply = both.ask(asked)
            newest = max(newest, int(reply.headers.get("X-Etcd-Index", 0)))
        both.ask(Request("GET", f"{root}?recursive=true"))
        for number, (path, wanted, ours, etcds) in enumerate(watches):
            # It is there for one who watches, wherever that is.
            both.ask(Request("DELETE", f"{root}?recursive=true"))
            for _ in range(1 + 5 * (wanted.since > 0)):
                both.ask(Request("PUT", path, f"value=end{number}"))
            end = b'"value":"end%d"' % number
            told = [_told(one, end, is_stream=wanted.stream) for one in (ours, etcds)]
            assert told[0] == told[1], f"{wanted} of {path}: {both.story()}"


def _possible(both: Both, asked: Request, root: str) -> Request:
    """Return a request in a directory, without what etcd 3.5.1 is known to do otherwise."""
    form = asked.form
    path = f"{root}{asked.path}"
    # etcd 3.5 fails to update directories.
    if asked.method == "PUT" and "prevExist" in form and both.is_directory(path):
        form = form.replace("prevExist", "exist")
    return Request(asked.method, path, form)


def _told(watch: Watch, end: bytes, *, is_stream: bool) -> list[bytes]:
    """Return what a watcher hears of until the end."""
    lines = []
    while line := watch.line():
        lines.append(comparable_body(line))
        if not is_stream or end in line:
            break
    # etcd 3.5 tells streams twice of what is removed.
    return [line for line, _ in groupby(lines)]
