"""The Maintenance service asks the node, and lets go of a snapshot whose client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.maintenance import MaintenanceService
from tests.unit.services.doors import asked, methods_of

UNARY = [method for method in methods_of("Maintenance") if not method.server_streaming]


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_method_asks_the_node_and_gives_its_answer(method: MethodDescriptor) -> None:
    assert asked(MaintenanceService, method)


class Snapshots:
    """A node whose snapshot has three pieces."""

    def __init__(self) -> None:
        self.is_open = False

    async def snapshot(
        self, request: pb.SnapshotRequest, caller: Any
    ) -> AsyncGenerator[pb.SnapshotResponse, None]:
        self.is_open = True
        try:
            for piece in (b"1", b"2", b"3"):
                yield pb.SnapshotResponse(blob=piece)
        finally:
            self.is_open = False


class Call:
    """Takes some pieces, and then no more."""

    def __init__(self, takes: int) -> None:
        self.taken: list[bytes] = []
        self._takes = takes

    async def write(self, message: pb.SnapshotResponse) -> None:
        if len(self.taken) == self._takes:
            await asyncio.Event().wait()
        self.taken.append(message.blob)


async def test_snapshot_is_written_piece_by_piece() -> None:
    node: Any = Snapshots()
    call = Call(takes=3)
    await MaintenanceService(node).Snapshot(pb.SnapshotRequest(), call)
    assert (call.taken, node.is_open) == ([b"1", b"2", b"3"], False)


async def test_snapshot_is_let_go_at_once_when_its_client_goes() -> None:
    node: Any = Snapshots()
    sending = asyncio.ensure_future(
        MaintenanceService(node).Snapshot(pb.SnapshotRequest(), Call(takes=1))
    )
    for _ in range(5):
        await asyncio.sleep(0)
    assert node.is_open
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert not node.is_open
