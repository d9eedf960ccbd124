"""
``/v2/keys``: reading, writing and watching the tree.

(etcd 3.5: ``v2http/client.go``, ``keysHandler``; ``etcdserver/apply_v2.go``)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etcdpy.cooperative import Baton
from etcdpy.errors import V2Error
from etcdpy.http.v2.answers import allow
from etcdpy.http.v2.authentication import credentials
from etcdpy.http.v2.caller import RootCaller
from etcdpy.http.v2.errors import error_response
from etcdpy.http.v2.parameters import Parameters, form_of, parameters_of
from etcdpy.http.v2.path import moved, unescaped
from etcdpy.http.v2.watching import EventLines
from etcdpy.node.node import Node
from etcdpy.node.v2 import ITSELF, Asker, V2Store
from etcdpy.storage import StorageError
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse
from etcdpy.v2 import codes
from etcdpy.v2.events import COMPARE_AND_SWAP, CREATE, SET, UPDATE, Event

__all__ = ["Keys"]

_PREFIX: Final = "/v2/keys"
_METHODS: Final = ("HEAD", "GET", "PUT", "POST", "DELETE")

_JSON: Final = (b"content-type", b"application/json")

#: Actions of which ``noValueOnSuccess`` leaves nothing but their names.
_QUIET: Final = frozenset((SET, CREATE, UPDATE, COMPARE_AND_SWAP))


class Keys:
    """
    Answers requests for keys.

    Args:
        node: Whose.
        v2: Its store.

    """

    def __init__(self, node: Node, v2: V2Store) -> None:
        identity = node.identity
        self._v2 = v2
        # Of those with long forms one goes on in each turn, up to where its write is made.
        self._forms = Baton()
        self._store = node.parts.store
        self._users = node.parts.users
        self._audit = node.parts.audit
        self._cluster = (b"x-etcd-cluster-id", b"%x" % identity.cluster_id)
        self._term = (b"x-raft-term", b"%d" % identity.raft_term)

    def endpoint(self) -> Mapping[str, HttpHandler]:
        """Return ``/v2/keys`` and all below."""
        handler = allow(self.handle, _METHODS)
        return {_PREFIX: handler, f"{_PREFIX}/": handler}

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request of a method that there is."""
        raw, _, query = request.path.partition("?")
        path = unescaped(raw)
        if (elsewhere := moved(request, path, query)) is not None:
            return elsewhere
        key = path[len(_PREFIX) :].rstrip("/") or "/"
        try:
            if not query and request.method == "GET":
                # Most reads ask for nothing more than the key.
                reading = await self._v2.read(key, account=request.account)
                return HttpResponse(200, self._headers(reading.at), reading.body)
            asked = parameters_of(await form_of(request, query, self._forms), request.method)
            return await self._answer(request, key, asked)
        except V2Error as error:
            return error_response(error, self._cluster)
        except StorageError:
            # The node ends by that.
            stopped = V2Error(codes.RAFT_INTERNAL, "etcdserver: server stopped", self._v2.index)
            return error_response(stopped, self._cluster)

    async def _answer(self, request: HttpRequest, path: str, asked: Parameters) -> HttpResponse:
        method = request.method
        if method == "PUT":
            return self._written(await self._put(path, asked, self._asker(request)), asked)
        if method in ("GET", "HEAD"):
            # A linearizable read waits for nothing.
            if asked.wait and not asked.quorum:
                return self._watch(path, asked)
            reading = await self._v2.read(path, recursive=asked.recursive, account=request.account)
            return HttpResponse(200, self._headers(reading.at), reading.body)
        if method == "POST":
            event = await self._v2.create(
                path,
                asked.value,
                directory=asked.dir,
                unique=True,
                expires=asked.expires(self._v2.now()),
                by=self._asker(request),
            )
            return self._written(event, asked)
        return self._written(await self._delete(path, asked, self._asker(request)), asked)

    def _asker(self, request: HttpRequest) -> Asker:
        """Return who asks, if anybody wants to know."""
        if self._audit is None:
            return ITSELF
        found = credentials(request) if self._users.is_enabled else None
        return Asker(RootCaller(request), None if found is None else found[0])

    async def _put(self, path: str, asked: Parameters, by: Asker) -> Event:
        v2 = self._v2
        expires = asked.expires(v2.now())
        compares = asked.prev_index > 0 or asked.prev_value
        if asked.prev_exist is False:
            return await v2.create(path, asked.value, directory=asked.dir, expires=expires, by=by)
        if compares:
            return await v2.compare_and_swap(
                path,
                asked.value,
                prev_value=asked.prev_value,
                prev_index=asked.prev_index,
                expires=expires,
                refresh=asked.refresh,
                by=by,
            )
        if asked.prev_exist:
            return await v2.update(path, asked.value, expires=expires, refresh=asked.refresh, by=by)
        return await v2.set(
            path,
            asked.value,
            directory=asked.dir,
            expires=expires,
            refresh=asked.refresh,
            by=by,
        )

    async def _delete(self, path: str, asked: Parameters, by: Asker) -> Event:
        if asked.prev_index > 0 or asked.prev_value:
            return await self._v2.compare_and_delete(
                path, prev_value=asked.prev_value, prev_index=asked.prev_index, by=by
            )
        return await self._v2.delete(path, directory=asked.dir, recursive=asked.recursive, by=by)

    def _watch(self, path: str, asked: Parameters) -> HttpResponse:
        watcher = self._v2.watch(
            path, recursive=asked.recursive, stream=asked.stream, since=asked.wait_index
        )
        lines = EventLines(self._v2, watcher)
        return HttpResponse(200, self._headers(watcher.start_index), lines, is_endless=True)

    def _written(self, event: Event, asked: Parameters) -> HttpResponse:
        status = 201 if event.is_created else 200
        body = event.line
        if asked.is_quiet and event.action in _QUIET:
            body = b'{"action":"%s"}\n' % event.action.encode()
        return HttpResponse(status, self._headers(event.index), body)

    def _headers(self, index: int) -> tuple[tuple[bytes, bytes], ...]:
        return (
            _JSON,
            self._cluster,
            (b"x-etcd-index", b"%d" % index),
            (b"x-raft-index", b"%d" % self._store.applied_index),
            self._term,
        )
