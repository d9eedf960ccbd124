"""
The control address of ``etcdpy test-server``: what a test in any language does to its server.

Requests and answers are JSON. ``docs/testing-other-languages.md`` has all of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from etcdpy.testing.breaking import KINDS, selector
from etcdpy.testing.codec import bytes_of, sent
from etcdpy.testing.engine import Engine
from etcdpy.testing.log import Log
from etcdpy.testing.operations import Operations
from etcdpy.transport import BodyBrokenError, BodyTooLargeError, HttpRequest, HttpResponse

__all__ = ["Control"]

#: Bytes of a request; what is loaded may be larger in a file.
_MOST: Final = 64 << 20
#: Seconds that somebody may wait for requests in one request.
_LONGEST: Final = 600.0

Act = Callable[[dict[str, Any]], Awaitable[Any]]


class Control:
    """
    Answers at the control address.

    Args:
        engine: The server.
        operations: What can be done to it.
        log: What it logs.

    """

    def __init__(self, engine: Engine, operations: Operations, log: Log) -> None:
        self._engine = engine
        self._operations = operations
        self._log = log
        do = operations
        self._acts: dict[tuple[str, str], Act] = {
            ("POST", "reset"): self._reset,
            ("POST", "restart"): lambda _: do.restart(),
            ("POST", "crash"): lambda _: do.crash(),
            ("GET", "clock"): self._clock,
            ("POST", "clock/advance"): lambda said: do.advance(float(said["seconds"])),
            ("POST", "clock/jump"): lambda said: do.jump(float(said["seconds"])),
            ("POST", "clock/freeze"): lambda _: do.freeze(),
            ("POST", "clock/resume"): lambda _: do.resume(),
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._forget_requests,
            ("DELETE", "faults"): lambda _: do.end_faults(),
            ("GET", "watchers"): lambda _: do.watchers(),
            ("GET", "leases"): lambda _: do.leases(),
            ("GET", "connections"): lambda _: do.connections(),
            ("GET", "log"): self._lines,
            ("GET", "revision"): lambda _: do.revision(),
            ("GET", "data"): lambda said: do.pairs(bytes_of(said.get("prefix", ""))),
            ("GET", "history"): lambda said: do.history(bytes_of(said.get("prefix", ""))),
            ("POST", "put"): self._put,
            ("POST", "get"): lambda said: do.get(bytes_of(said["key"])),
            ("POST", "delete"): self._delete,
            ("POST", "load"): self._load,
            ("POST", "dump"): lambda said: do.dump(str(said["path"])),
        }

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; what is wrong with it is told in the answer."""
        if request.header(b"origin") is not None:
            return _refusal(403, "pages in a browser have no business here")
        path, _, query = request.path.partition("?")
        act = self._act(request.method, path.removeprefix("/testing/"))
        if act is None or not path.startswith("/testing/"):
            return _refusal(404, f"there is no {request.method} {path}")
        try:
            said = {name: values[-1] for name, values in parse_qs(query).items()}
            if body := await request.body.read(_MOST):
                said.update(json.loads(body))
            return _answer(200, sent(await act(said)))
        except (BodyTooLargeError, BodyBrokenError) as error:
            return _refusal(413, str(error) or "too large")
        except KeyError as error:
            return _refusal(400, f"{error} is missing")
        except TimeoutError as error:
            return _refusal(408, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it was, the test is to hear of it
            return _refusal(400, str(error) or repr(error))

    def _act(self, method: str, name: str) -> Act | None:
        what, _, which = name.partition("/")
        if what == "faults" and which:
            if method == "POST" and which in KINDS:
                return lambda said: self._break(which, said)
            if method == "DELETE" and which.isdecimal():
                return lambda _: self._operations.end_fault(int(which))
        return self._acts.get((method, name))

    async def _reset(self, said: Mapping[str, Any]) -> None:
        await self._operations.reset()
        self._log.clear()

    async def _clock(self, said: Mapping[str, Any]) -> Any:
        return {"now": await self._operations.now()}

    async def _break(self, kind: str, said: dict[str, Any]) -> Any:
        if "method" in said or "keys" in said:
            said["method"] = selector(said.get("method", "*"), said.pop("keys", None))
        if "prefix" in said:
            said["prefix"] = bytes_of(said["prefix"])
        return {"fault": await self._operations.begin_fault(kind, **said)}

    async def _requests(self, said: Mapping[str, Any]) -> Any:
        keys = said.get("keys")
        method = selector(said.get("method", "*"), None if keys is None else [keys])
        requests = self._engine.requests
        if "count" in said or "timeout" in said:
            count, timeout = int(said.get("count", 1)), float(said.get("timeout", 5))
            # A thread waits, and is not asked to wait for ever.
            loop, seconds = asyncio.get_running_loop(), min(timeout, _LONGEST)
            await loop.run_in_executor(
                None, lambda: requests.wait_for(method, count=count, timeout=seconds)
            )
        return requests.all(method)

    async def _forget_requests(self, said: Mapping[str, Any]) -> None:
        self._engine.requests.clear()

    async def _lines(self, said: Mapping[str, Any]) -> list[str]:
        return list(self._log)

    async def _put(self, said: Mapping[str, Any]) -> Any:
        key, value = bytes_of(said["key"]), bytes_of(said["value"])
        return {"revision": await self._operations.put(key, value, int(said.get("lease", 0)))}

    async def _delete(self, said: Mapping[str, Any]) -> Any:
        prefix = bool(said.get("prefix", False))
        return {"deleted": await self._operations.delete(bytes_of(said["key"]), prefix=prefix)}

    async def _load(self, said: Mapping[str, Any]) -> None:
        if "path" in said:
            await self._operations.load(str(said["path"]))
        else:
            data = {key: bytes_of(value) for key, value in said["data"].items()}
            await self._operations.load(data)


def _answer(status: int, value: Any) -> HttpResponse:
    body = json.dumps(value).encode("utf-8", "surrogateescape") + b"\n"
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    )
    return HttpResponse(status, headers, body)


def _refusal(status: int, why: str) -> HttpResponse:
    return _answer(status, {"error": why})
