"""
``/v2/members``: the members, and changes of them.

(etcd 3.5: ``v2http/client.go``, ``membersHandler``, and ``httptypes/member.go``)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from etcdpy.config.urls import UrlError, parse_url_list
from etcdpy.errors import (
    EtcdError,
    MemberExistsError,
    MemberNotFoundError,
    PeerUrlExistsError,
)
from etcdpy.http.json_scanner import JsonError
from etcdpy.http.v2.answers import allow, json_answer, message
from etcdpy.http.v2.bodies import peer_urls_in
from etcdpy.http.v2.caller import RootCaller
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import (
    BodyTooLargeError,
    HttpHandler,
    HttpRequest,
    HttpResponse,
    plain_text,
)

__all__ = ["Members"]

_PREFIX: Final = "/v2/members"
_METHODS: Final = ("GET", "POST", "DELETE", "PUT")
#: Bytes of a request, which is a few URLs. etcd reads any number.
_MOST_BYTES: Final = 1 << 20

_ID: Final = re.compile(r"[0-9a-fA-F]+")


class Members:
    """
    Answers requests about members.

    Args:
        node: Whose members they are.

    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._cluster = (b"x-etcd-cluster-id", b"%x" % node.identity.cluster_id)

    def endpoint(self) -> Mapping[str, HttpHandler]:
        """Return ``/v2/members``, and what is the beginning of all below it."""
        handler = allow(self.handle, _METHODS)
        return {_PREFIX: handler, _PREFIX + "/": handler}

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request whose method is one of those allowed."""
        path = unquote(request.path.partition("?")[0])
        rest = path.removeprefix(_PREFIX).removeprefix("/")
        if request.method == "GET":
            return await self._read(rest, request)
        if request.method == "POST":
            return await self._add(request)
        return await self._change(rest, request)

    async def _read(self, rest: str, request: HttpRequest) -> HttpResponse:
        listed = await self._node.member_list(pb.MemberListRequest(), RootCaller(request))
        if rest == "leader":
            own = self._node.identity.member_id
            leader = next(member for member in listed.members if own == member.ID)
            return json_answer(200, _shown(leader), self._cluster, newline=True)
        if rest:
            return self._refusal(404, "Not found")
        members = {"members": [_shown(member) for member in listed.members]}
        return json_answer(200, members, self._cluster, newline=True)

    async def _add(self, request: HttpRequest) -> HttpResponse:
        urls = await self._peer_urls(request)
        if isinstance(urls, HttpResponse):
            return urls
        try:
            # A voter, as there was nothing else: a node by itself refuses it, after it has looked
            # at the URLs.
            reply = await self._node.member_add(
                pb.MemberAddRequest(peerURLs=urls), RootCaller(request)
            )
        except PeerUrlExistsError:
            return self._refusal(409, "membership: peerURL exists")
        except MemberExistsError:
            return self._refusal(409, "membership: ID exists")
        except EtcdError:
            return self._refusal(500, "Internal Server Error")
        return json_answer(201, _shown(reply.member), self._cluster)

    async def _change(self, rest: str, request: HttpRequest) -> HttpResponse:
        """Change the peer URLs of a member, or remove it."""
        if not rest:
            refused = plain_text(405, b"Method Not Allowed\n")
            return HttpResponse(405, (*refused.headers, self._cluster), refused.body)
        member = _id_in(rest)
        if member is None:
            return self._refusal(404, f"No such member: {rest}")
        caller = RootCaller(request)
        try:
            if request.method == "DELETE":
                await self._node.member_remove(pb.MemberRemoveRequest(ID=member), caller)
            else:
                urls = await self._peer_urls(request)
                if isinstance(urls, HttpResponse):
                    return urls
                update = pb.MemberUpdateRequest(ID=member, peerURLs=urls)
                await self._node.member_update(update, caller)
        except MemberNotFoundError:
            if request.method == "DELETE" and self._node.parts.membership.was_removed(member):
                return self._refusal(410, f"Member permanently removed: {member:x}")
            return self._refusal(404, f"No such member: {member:x}")
        except PeerUrlExistsError:
            return self._refusal(409, "membership: peerURL exists")
        except EtcdError:
            return self._refusal(500, "Internal Server Error")
        return HttpResponse(204, (self._cluster,))

    async def _peer_urls(self, request: HttpRequest) -> tuple[str, ...] | HttpResponse:
        """Return the URLs that a request has, or what is wrong with it."""
        kind, semicolon, _ = (request.header(b"content-type") or "").partition(";")
        if semicolon:
            kind = kind.lower().strip()
        if kind != "application/json":
            return self._refusal(415, f"Bad Content-Type {kind}, accept application/json")
        try:
            body = await request.body.read(_MOST_BYTES)
            return tuple(map(str, parse_url_list(await peer_urls_in(body))))
        except BodyTooLargeError:
            return self._refusal(400, "http: request body too large")
        except (JsonError, UrlError) as error:
            return self._refusal(400, str(error))

    def _refusal(self, status: int, text: str) -> HttpResponse:
        return message(status, text, self._cluster)


def _id_in(text: str) -> int | None:
    """Return an ID that is written in hexadecimal, None if it is none."""
    number = int(text, 16) if _ID.fullmatch(text) else 1 << 64
    return number if number < 1 << 64 else None


def _shown(member: pb.Member) -> dict[str, object]:
    return {
        "id": f"{member.ID:x}",
        "name": member.name,
        "peerURLs": list(member.peerURLs),
        "clientURLs": list(member.clientURLs),
    }
