"""For etcetra's own tests: the fixture that its repository has, and its sdist has not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from etcetra import (  # type: ignore[import-not-found]  # installed where this runs
    EtcdClient,
    HostPortPair,
)


@pytest.fixture
async def etcd() -> AsyncIterator[Any]:
    client = EtcdClient(HostPortPair.parse(os.environ["BACKEND_ETCD_ADDR"]))
    yield client
    async with client.connect() as communicator:
        await communicator.delete_prefix("/test")
