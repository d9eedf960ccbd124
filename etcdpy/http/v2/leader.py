"""
``/mod/v2/leader/NAME``: leaders, as a module of etcd 0.4 had them.

::

    PUT     name, ttl [timeout]    waits to lead under a name, and leads for longer
    GET                            tells the name of the leader
    DELETE  name                   leads no more

A leader holds the lock of the same name, with its own name as the value. (etcd 0.4:
``mod/leader/v2``)
"""

from __future__ import annotations

from typing import Final

from etcdpy.concurrency.v2_locks import V2Locks
from etcdpy.errors import V2Error
from etcdpy.http.v2.answers import text_answer
from etcdpy.http.v2.lock import Form, Lock, answered
from etcdpy.transport import HttpRequest, HttpResponse
from etcdpy.transport.http import not_found
from etcdpy.v2 import codes

__all__ = ["LeaderModule"]

PREFIX: Final = "/mod/v2/leader/"


class LeaderModule:
    """
    Answers requests about leaders.

    Args:
        locks: Has the locks that they hold.

    """

    def __init__(self, locks: V2Locks) -> None:
        self._locks = locks

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request for a path that begins in ``PREFIX``."""
        return await answered(request, PREFIX, self._answer)

    async def _answer(self, name: str, form: Form, request: HttpRequest) -> HttpResponse:
        lock = Lock(self._locks, name)
        if request.method == "GET":
            return await self._show(lock)
        if request.method == "POST":
            return await not_found(request)
        candidate = form.get("name", "")
        if request.method == "PUT":
            if not candidate:
                raise V2Error(codes.NAME_REQUIRED, "Set")
            return await lock.acquire({**form, "value": candidate}, request)
        if not candidate:
            raise V2Error(codes.NAME_REQUIRED, "Delete")
        try:
            return await lock.release({"value": candidate})
        except V2Error as error:
            raise V2Error(error.code, "Release", error.index) from None

    async def _show(self, lock: Lock) -> HttpResponse:
        try:
            return await lock.show({})
        except V2Error as error:
            if error.code != codes.KEY_NOT_FOUND:
                raise
            return text_answer("")  # nobody has ever led
