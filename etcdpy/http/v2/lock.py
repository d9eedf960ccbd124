"""
``/mod/v2/lock/NAME``: locks, as a module of etcd 0.4 had them.

::

    POST    ttl [value] [timeout]     waits for the lock, and tells its index
    PUT     ttl and index or value    holds it for longer
    DELETE  index or value            gives it back
    GET     [field]                   tells who holds it: its value, or its index

Answers are bare text, and refusals errors of keys as JSON. (etcd 0.4: ``mod/lock/v2``)
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from posixpath import normpath
from typing import Final

from etcdpy.concurrency.v2_locks import LockClosedError, LockHeldError, V2Locks
from etcdpy.errors import V2Error
from etcdpy.http.v2.answers import text_answer
from etcdpy.http.v2.errors import error_response
from etcdpy.http.v2.parameters import form_of
from etcdpy.http.v2.path import unescaped
from etcdpy.storage import StorageError
from etcdpy.transport import HttpRequest, HttpResponse, plain_text
from etcdpy.transport.http import not_found
from etcdpy.v2 import codes

__all__ = ["Lock", "LockModule"]

PREFIX: Final = "/mod/v2/lock/"

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_INDEX: Final = re.compile(r"[0-9]{1,20}")

Form = Mapping[str, str]


class Lock:
    """
    What can be done with one lock, of forms and answered as HTTP.

    Args:
        locks: Has it.
        name: Its name.

    """

    def __init__(self, locks: V2Locks, name: str) -> None:
        self._locks = locks
        self._name = name

    async def acquire(self, form: Form, request: HttpRequest) -> HttpResponse:
        """
        Wait for it, as long as the client does, or less.

        Raises:
            V2Error: 205 or 202 if a time is none, or it cannot be queued.

        """
        timeout = _timeout(form)
        ttl = _ttl(form, "Acquire")
        try:
            index = await self._locks.acquire(
                self._name, ttl, form.get("value", ""), timeout, request.has_left
            )
        except LockHeldError:
            return plain_text(500, b"failed to acquire lock\n")
        except LockClosedError:
            return plain_text(500, b"lock watch closed\n")
        return text_answer(str(index))

    async def renew(self, form: Form) -> HttpResponse:
        """
        Let it be held for longer.

        Raises:
            V2Error: 202, 207, or 100 if there is no such place in its queue.

        """
        ttl = _ttl(form, "Renew")
        index, value = form.get("index", ""), form.get("value", "")
        if not (index or value):
            raise V2Error(codes.INDEX_OR_VALUE_REQUIRED, "Renew")
        await self._locks.renew(self._name, ttl, _index(index), value)
        return text_answer("")

    async def release(self, form: Form) -> HttpResponse:
        """
        Give it back, or stop waiting for it.

        Raises:
            V2Error: 207, 208, or 100 if there is no such place in its queue.

        """
        index, value = form.get("index", ""), form.get("value", "")
        if index and value:
            raise V2Error(codes.INDEX_AND_VALUE, "Release")
        if not (index or value):
            raise V2Error(codes.INDEX_OR_VALUE_REQUIRED, "Release")
        await self._locks.release(self._name, _index(index), value)
        return text_answer("")

    async def show(self, form: Form) -> HttpResponse:
        """
        Tell who holds it; nothing if nobody does.

        Raises:
            V2Error: 209 if something else is asked of one that is held, 100 if there has never
                been such a lock.

        """
        holder = await self._locks.holder(self._name)
        if holder is None:
            return text_answer("")
        field = form.get("field", "") or "value"
        if field not in ("value", "index"):
            raise V2Error(codes.INVALID_FIELD, "Get")
        return text_answer(holder.value if field == "value" else str(holder.index))


class LockModule:
    """
    Answers requests about locks.

    Args:
        locks: Has them.

    """

    def __init__(self, locks: V2Locks) -> None:
        self._locks = locks

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request for a path that begins in ``PREFIX``."""
        return await answered(request, PREFIX, self._answer)

    async def _answer(self, name: str, form: Form, request: HttpRequest) -> HttpResponse:
        lock = Lock(self._locks, name)
        if request.method == "POST":
            return await lock.acquire(form, request)
        if request.method == "PUT":
            return await lock.renew(form)
        if request.method == "DELETE":
            return await lock.release(form)
        return await lock.show(form)


Answer = Callable[[str, Form, HttpRequest], Awaitable[HttpResponse]]


async def answered(request: HttpRequest, prefix: str, answer: Answer) -> HttpResponse:
    """
    Return what a module answers, or what it refuses.

    Args:
        prefix: What paths of the module begin with; what follows is a name.
        answer: Answers a request about a name, of its form.

    """
    path, _, query = request.path.partition("?")
    # Cleaned, as a path is. (Go: ``path.Join``)
    name = normpath("/" + unescaped(path).removeprefix(prefix)).strip("/")
    if not name or request.method not in ("GET", "POST", "PUT", "DELETE"):
        return await not_found(request)
    try:
        return await answer(name, await form_of(request, query), request)
    except V2Error as error:
        return error_response(error)
    except StorageError:
        # The node ends by that.
        return error_response(V2Error(codes.RAFT_INTERNAL, "etcdserver: server stopped"))


def _timeout(form: Form) -> float | None:
    """Return the seconds to wait, None for any time."""
    text = form.get("timeout", "")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise V2Error(codes.TIMEOUT_NOT_A_NUMBER, "Acquire")
    seconds = int(text)
    return float(seconds) if seconds >= 0 else None


def _ttl(form: Form, cause: str) -> int:
    text = form.get("ttl", "")
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        raise V2Error(codes.TTL_NOT_A_NUMBER, cause)
    return int(text)


def _index(text: str) -> int | None:
    """Return an index; one that is no number is that of nothing."""
    if not text:
        return None
    return int(text) if _INDEX.fullmatch(text) else -1
