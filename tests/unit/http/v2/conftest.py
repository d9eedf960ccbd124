"""A node that writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from etcdpy.node.node import Node
from tests.unit.http.v2.asking import opened


@pytest.fixture
async def open_node(tmp_path: Path) -> AsyncIterator[Node]:
    async with opened(tmp_path / "d") as node:
        yield node
