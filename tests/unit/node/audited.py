"""A node on a directory of its own whose audit log is kept in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from etcdpy.config import Config
from etcdpy.cooperative import outcome
from etcdpy.errors import EtcdError
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.audit import Auditor
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.clock import MovableClock
from tests.unit.node.askers import Asker


class Lines:
    """Takes lines, and keeps them."""

    is_synced = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def append(self, line: str) -> None:
        self.texts.append(line)

    append_always = append

    def settle(self) -> None:
        raise AssertionError("nobody waits for these")


def words(error: EtcdError) -> tuple[str, str]:
    return type(error).__name__, str(error)


class Audited:
    """A node, and what its audit log has."""

    def __init__(self, node: Node, lines: Lines, clock: MovableClock) -> None:
        self.node = node
        self.clock = clock
        self._lines = lines
        self.client = Asker(method="/a.B/C", user_agent="test/1")

    @property
    def texts(self) -> list[str]:
        return self._lines.texts

    def news(self) -> list[dict[str, Any]]:
        """Return the lines since this was asked before."""
        found = [json.loads(text) for text in self._lines.texts]
        self._lines.texts.clear()
        return found

    def told(self) -> list[dict[str, Any]]:
        """Return the same, without what is the same for all."""
        common = ("ts", "method", "peer", "user_agent")
        return [
            {name: value for name, value in line.items() if name not in common}
            for line in self.news()
        ]

    async def ask(self, method: str, request: Any, caller: Any = None) -> Any:
        """Call a method of the node; return its response, or the error that it was refused with."""
        try:
            return await outcome(getattr(self.node, method)(request, caller or self.client))
        except EtcdError as error:
            return error

    async def put(self, key: bytes, caller: Any = None, **options: Any) -> Any:
        return await self.ask("put", pb.PutRequest(key=key, value=b"v", **options), caller)

    async def txn(self, request: pb.TxnRequest, caller: Any = None) -> Any:
        return await self.ask("txn", Txn.of(request), caller)

    async def log_in(self, name: str, password: str) -> Asker:
        request = pb.AuthenticateRequest(name=name, password=password)
        reply = await self.ask("authenticate", request)
        return Asker(reply.token)

    async def settle(self) -> None:
        """Wait until what was written is on the disk."""
        while unsettled := self.node.parts.store.log.unsettled():
            await unsettled
        await asyncio.sleep(0)


@asynccontextmanager
async def audited(tmp_path: Path, **settings: Any) -> AsyncIterator[Audited]:
    """Open a node; its clock stands still."""
    clock, lines = MovableClock(), Lines()
    config = Config(data_dir=str(tmp_path / "d"), unsafe_no_fsync=True, bcrypt_cost=4, **settings)
    auditor = Auditor(lines, clock.wall, words)
    async with Node.open(config, clock, audit=auditor) as node:
        site = Audited(node, lines, clock)
        site.news()
        yield site
