"""What of a request is asked of a lock; tests/in_process has each kind of call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from etcdpy.concurrency.v2_locks import LockClosedError, LockHeldError
from etcdpy.errors import V2Error
from etcdpy.http.v2.lock import PREFIX, LockModule
from etcdpy.storage import StorageError
from etcdpy.transport import HttpResponse
from tests.unit.http.v2.asking import JSON, TEXT, request


async def ask(locks: Any, method: str, target: str) -> HttpResponse:
    return await LockModule(locks)(request(PREFIX + target, method))


@pytest.mark.parametrize(
    ("query", "ttl", "value", "timeout"),
    [
        ("ttl=5", 5, "", None),
        ("ttl=%2B05&value=v&timeout=-3", 5, "v", None),
        ("ttl=5&timeout=0", 5, "", 0),
        ("ttl=5&timeout=7", 5, "", 7),
    ],
)
async def test_acquire(query: str, ttl: int, value: str, timeout: float | None) -> None:
    locks = AsyncMock()
    locks.acquire.return_value = 12
    assert await ask(locks, "POST", f"a/b?{query}") == HttpResponse(200, (TEXT,), b"12")
    *asked, has_left = locks.acquire.call_args.args
    assert asked == ["a/b", ttl, value, timeout]
    assert has_left() is False


@pytest.mark.parametrize(
    ("error", "body"),
    [(LockHeldError, b"failed to acquire lock\n"), (LockClosedError, b"lock watch closed\n")],
)
async def test_lock_that_was_not_had(error: Callable[[], Exception], body: bytes) -> None:
    locks = AsyncMock()
    locks.acquire.side_effect = error
    answer = await ask(locks, "POST", "a?ttl=5")
    assert (answer.status, answer.body) == (500, body)


@pytest.mark.parametrize(
    ("method", "query", "asked"),
    [
        ("PUT", "ttl=5&index=007", ("a", 5, 7, "")),
        ("PUT", "ttl=5&value=v", ("a", 5, None, "v")),
        ("PUT", "ttl=5&value=v&index=7", ("a", 5, 7, "v")),
        ("PUT", "ttl=5&index=1e3", ("a", 5, -1, "")),
        ("DELETE", "index=7", ("a", 7, "")),
        ("DELETE", "value=v", ("a", None, "v")),
    ],
)
async def test_renew_and_release(method: str, query: str, asked: tuple[object, ...]) -> None:
    locks = AsyncMock()
    assert await ask(locks, method, f"a?{query}") == HttpResponse(200, (TEXT,), b"")
    done = locks.renew if method == "PUT" else locks.release
    assert done.call_args.args == asked


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("a%2Fb%20", "a/b "),
        ("a/", "a"),
        ("%C3%A9", "é"),
        ("a%2F%2F./b", "a/b"),
        ("%2E%2E/a", "a"),
    ],
)
async def test_name_is_what_follows(target: str, name: str) -> None:
    locks = AsyncMock()
    await ask(locks, "DELETE", f"{target}?index=7")
    assert locks.release.call_args.args[0] == name
    for nothing in ("", "%2F", "..", "%2E"):
        assert (await ask(locks, "DELETE", f"{nothing}?index=7")).status == 404


async def test_refusals_are_errors_of_keys() -> None:
    locks = AsyncMock()
    locks.release.side_effect = V2Error(300, "etcdserver: no space", 7)
    answer = await ask(locks, "DELETE", "a?index=7")
    assert (answer.status, answer.headers) == (500, (JSON, (b"x-etcd-index", b"7")))
    assert answer.body == (
        b'{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: no space",'
        b'"index":7}\n'
    )


async def test_disk_that_fails_is_told_as_an_error_of_keys() -> None:
    locks = AsyncMock()
    locks.release.side_effect = StorageError("the disk is gone")
    answer = await ask(locks, "DELETE", "a?index=7")
    assert isinstance(answer.body, bytes)
    assert (answer.status, b"etcdserver: server stopped" in answer.body) == (500, True)
