"""
Who may use v2, and what v2 says of users.

v2 of etcd had users and roles of its own. Here there are those of v3 alone: while authentication
is on, v2 is root's, who says so with each request by a password. (RFC 7617; etcd 3.5:
``v2http/client_auth.go``)
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from typing import Final

from etcdpy.errors import EtcdError, V2Error
from etcdpy.http.v2.answers import allow, json_answer, message
from etcdpy.http.v2.errors import error_response
from etcdpy.node.node import Node
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse
from etcdpy.v2.codes import UNAUTHORIZED

__all__ = ["RootOnly", "auth_endpoints", "credentials"]

_CAUSE: Final = "Insufficient credentials"
_GET: Final = ("GET",)
#: How many who were let in are remembered; there is one root, and few others with its role.
_MOST_REMEMBERED: Final = 64


class RootOnly:
    """
    Lets requests in: root's, or anybody's while authentication is off.

    A password takes a twentieth of a second to check, and comes with each request. So whoever was
    let in is remembered, by a hash with a secret of this process, until a user or a role changes.

    Args:
        node: Knows the users.

    """

    def __init__(self, node: Node) -> None:
        self._users = node.parts.users
        self._passwords = node.parts.passwords
        self._cluster_id = node.identity.cluster_id
        self._secret = os.urandom(32)
        self._let_in: OrderedDict[bytes, None] = OrderedDict()
        self._revision = -1

    def guarded(self, table: Mapping[str, HttpHandler]) -> Mapping[str, HttpHandler]:
        """Return handlers that answer those who are let in, and refuse the others."""
        return {path: self._guarded(path, handler) for path, handler in table.items()}

    def _guarded(self, path: str, handler: HttpHandler) -> HttpHandler:
        async def ask(request: HttpRequest) -> HttpResponse:
            if await self._is_root(request):
                return await handler(request)
            return self._refusal(path)

        def handle(request: HttpRequest) -> Awaitable[HttpResponse]:
            return ask(request) if self._users.is_enabled else handler(request)

        return handle

    def _refusal(self, path: str) -> HttpResponse:
        if not path.startswith(("/v2/keys", "/mod/")):
            return message(401, _CAUSE)
        cluster = (b"x-etcd-cluster-id", b"%x" % self._cluster_id)
        return error_response(V2Error(UNAUTHORIZED, _CAUSE), cluster)

    async def _is_root(self, request: HttpRequest) -> bool:
        given = credentials(request)
        if given is None:
            return False
        name, password = given
        if self._revision != self._users.revision:
            self._let_in.clear()
            self._revision = self._users.revision
        digest = hashlib.blake2b(name.encode() + b"\0" + password, key=self._secret).digest()
        if digest in self._let_in:
            self._let_in.move_to_end(digest)
            return True
        revision = self._users.revision
        is_root = await self._check(name, password, request.peer)
        # What was found out is as of the users then.
        if is_root and revision == self._users.revision == self._revision:
            self._let_in[digest] = None
            while len(self._let_in) > _MOST_REMEMBERED:
                self._let_in.popitem(last=False)
        return is_root and revision == self._users.revision

    async def _check(self, name: str, password: bytes, who: str) -> bool:
        try:
            user = self._users.user(name)
            hashed = None if user.options.no_password else user.password
        except EtcdError:
            # Takes as long as a wrong password: the time does not tell which of both it is.
            hashed = None
        try:
            is_known = await self._passwords.check(password, hashed, who=who)
        except EtcdError:  # too many are waiting
            return False
        rights = self._users.rights(name)
        return is_known and rights is not None and rights.is_root


def credentials(request: HttpRequest) -> tuple[str, bytes] | None:
    """Return a name and a password. (RFC 7617 2; Go: ``Request.BasicAuth``)"""
    scheme, _, coded = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(coded, validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (Base64Error, ValueError):
        return None


def auth_endpoints(node: Node) -> Mapping[str, HttpHandler]:
    """
    Return ``/v2/auth/enable``, ``/v2/auth/users`` and ``/v2/auth/roles``, which can be read only.

    No users are listed: those that there are are v3's, and are asked for and changed there.
    """
    cluster = (b"x-etcd-cluster-id", b"%x" % node.identity.cluster_id)
    root = {"role": "root", "permissions": {"kv": {"read": ["/*"], "write": ["/*"]}}}

    async def enable(request: HttpRequest) -> HttpResponse:
        told = {"enabled": node.parts.users.is_enabled}
        return json_answer(200, told, cluster, newline=True)

    async def users(request: HttpRequest) -> HttpResponse:
        return json_answer(200, {"users": None}, cluster, newline=True)

    async def roles(request: HttpRequest) -> HttpResponse:
        return json_answer(200, {"roles": [root]}, cluster, newline=True)

    return {
        "/v2/auth/enable": allow(enable, _GET),
        "/v2/auth/users": allow(users, _GET),
        "/v2/auth/roles": allow(roles, _GET),
    }
