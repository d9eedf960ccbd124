"""The control address does what its requests say, and says what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from etcdpy.testing.control import Control
from etcdpy.testing.engine import Engine
from etcdpy.testing.log import Log
from etcdpy.testing.operations import Operations
from etcdpy.testing.requests import Request
from etcdpy.testing.settings import Settings
from etcdpy.transport import Body, HttpRequest


class Caller:
    """Asks a control address."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.log = Log()
        self._control = Control(engine, Operations(engine), self.log)

    async def ask(self, method: str, path: str, said: Any = None, **headers: str) -> Any:
        body = b"" if said is None else json.dumps(said).encode()
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = HttpRequest(method, f"/testing/{path}", "127.0.0.1", fields, Body(body), "peer")
        response = await self._control.handle(request)
        assert isinstance(response.body, bytes)
        answer = json.loads(response.body)
        return answer if response.status == 200 else (response.status, answer["error"])


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    engine = Engine(Settings.of(clock="frozen"))
    await engine.start()
    yield Caller(engine)
    await Operations(engine).stop()


async def test_keys(caller: Caller, tmp_path: Path) -> None:
    ask = caller.ask
    assert await ask("POST", "put", {"key": "a/1", "value": "1"}) == {"revision": 2}
    binary = {"base64": "/w=="}
    await ask("POST", "put", {"key": "b", "value": binary})
    assert await ask("POST", "get", {"key": "b"}) == binary
    assert await ask("GET", "data?prefix=a/") == {"a/1": "1"}
    assert [event["key"] for event in await ask("GET", "history")] == ["a/1", "b"]
    assert await ask("POST", "delete", {"key": "a/", "prefix": True}) == {"deleted": 1}
    assert await ask("GET", "revision") == 4
    path = str(tmp_path / "d.json")
    await ask("POST", "load", {"data": {"c": "3"}})
    await ask("POST", "delete", {"key": "b"})
    await ask("POST", "dump", {"path": path})
    await ask("POST", "reset")
    assert await ask("GET", "data") == {}
    await ask("POST", "load", {"path": path})
    assert await ask("GET", "data") == {"c": "3"}


async def test_clock(caller: Caller) -> None:
    ask = caller.ask
    before = (await ask("GET", "clock"))["now"]
    await ask("POST", "clock/advance", {"seconds": 60})
    await ask("POST", "clock/jump", {"seconds": 5})
    assert (await ask("GET", "clock"))["now"] == pytest.approx(before + 65)
    await ask("POST", "clock/resume")
    await ask("POST", "clock/freeze")
    status, why = await ask("POST", "clock/advance", {"seconds": -1})
    assert (status, "does not go back" in why) == (400, True)


async def test_faults(caller: Caller) -> None:
    ask = caller.ask
    first = await ask("POST", "faults/fail", {"method": "KV/Put", "code": "ABORTED"})
    second = await ask("POST", "faults/delay", {"keys": ["a*"], "seconds": 1})
    assert second["fault"] > first["fault"]
    await ask("DELETE", f"faults/{first['fault']}")
    await ask("POST", "faults/cancel_watches", {"prefix": "a"})
    await ask("DELETE", "faults")
    status, why = await ask("POST", "faults/fail", {"code": "NONE"})
    assert (status, "no code of gRPC" in why) == (400, True)
    assert (await ask("POST", "faults/fire"))[0] == 404


async def test_requests(caller: Caller) -> None:
    ask, requests = caller.ask, caller.engine.requests
    requests.note(Request(1.0, "KV/Put", None, "peer", status="OK"))
    requests.note(Request(2.0, "KV/Range", None, "peer"))
    assert [one["method"] for one in await ask("GET", "requests")] == ["KV/Put", "KV/Range"]
    assert [one["status"] for one in await ask("GET", "requests?method=KV/Put")] == ["OK"]
    assert len(await ask("GET", "requests?method=KV/*&count=2&timeout=5")) == 2
    status, why = await ask("GET", "requests?method=KV/Txn&timeout=0.01")
    assert (status, "0 requests of KV/Txn" in why) == (408, True)
    await ask("DELETE", "requests")
    assert await ask("GET", "requests") == []
    for what in ("watchers", "leases", "connections", "log"):
        assert await ask("GET", what) == []


async def test_life(caller: Caller) -> None:
    await caller.ask("POST", "put", {"key": "a", "value": "1"})
    await caller.ask("POST", "crash")
    await caller.ask("POST", "restart")
    assert await caller.ask("GET", "data") == {"a": "1"}


@pytest.mark.parametrize(
    ("method", "path", "said", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "reset", None, 404),
        ("POST", "put", {"key": "a"}, 400),
        ("POST", "put", [], 400),
        ("POST", "clock/advance", {"seconds": "long"}, 400),
        ("DELETE", "faults/x", None, 404),
    ],
)
async def test_mistakes_are_told(
    caller: Caller, method: str, path: str, said: Any, status: int
) -> None:
    assert (await caller.ask(method, path, said))[0] == status


async def test_pages_in_a_browser_are_refused(caller: Caller) -> None:
    assert (await caller.ask("POST", "reset", origin="http://evil.example"))[0] == 403
