"""What of a request is asked of a leader's lock; tests/in_process has each kind of call."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from etcdpy.concurrency.v2_locks import Entry
from etcdpy.errors import V2Error
from etcdpy.http.v2.leader import PREFIX, LeaderModule
from etcdpy.transport import HttpResponse
from tests.unit.http.v2.asking import TEXT, request


async def ask(locks: Any, method: str, target: str) -> HttpResponse:
    return await LeaderModule(locks)(request(PREFIX + target, method))


async def test_leader_holds_the_lock_under_its_name() -> None:
    locks = AsyncMock()
    locks.acquire.return_value = 12
    answer = await ask(locks, "PUT", "a?ttl=5&name=n&value=v&timeout=3")
    assert answer == HttpResponse(200, (TEXT,), b"12")
    assert locks.acquire.call_args.args[:4] == ("a", 5, "n", 3)


@pytest.mark.parametrize(("holder", "body"), [(Entry(7, "n"), b"n"), (None, b"")])
async def test_leader_is_who_holds_it(holder: Entry | None, body: bytes) -> None:
    locks = AsyncMock()
    locks.holder.return_value = holder
    assert await ask(locks, "GET", "a?field=bad") == HttpResponse(200, (TEXT,), body)


async def test_what_else_went_wrong_is_told() -> None:
    locks = AsyncMock()
    locks.holder.side_effect = V2Error(300, "x", 7)
    assert (await ask(locks, "GET", "a")).status == 500


async def test_resigning_releases_it() -> None:
    locks = AsyncMock()
    assert await ask(locks, "DELETE", "a?name=n") == HttpResponse(200, (TEXT,), b"")
    assert locks.release.call_args.args == ("a", None, "n")
