"""
How v2 answers: JSON as Go's encoder writes it, and its refusals.

(etcd 3.5: ``server/etcdserver/api/v2http``)
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse, plain_text
from etcdpy.v2.gojson import quote

__all__ = ["allow", "go_json", "json_answer", "message", "text_answer"]

_Header = tuple[bytes, bytes]

_JSON: Final = (b"content-type", b"application/json")


def go_json(value: object) -> bytes:
    """Return a value as Go writes it: compact, and safe within HTML."""
    return _shown(value).encode()


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        members = (f"{quote(name)}:{_shown(member)}" for name, member in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    return quote(value) if isinstance(value, str) else json.dumps(value)


def json_answer(
    status: int, value: object, *headers: _Header, newline: bool = False
) -> HttpResponse:
    """
    Return an answer of JSON.

    Args:
        headers: Those beside its type.
        newline: Whether the body ends in one, as what Go's ``Encoder`` writes does.

    """
    return HttpResponse(status, (_JSON, *headers), go_json(value) + b"\n" * newline)


def message(status: int, text: str, *headers: _Header) -> HttpResponse:
    """Return a refusal that is not about keys. (etcd: ``httptypes.HTTPError``)"""
    return json_answer(status, {"message": text}, *headers)


def text_answer(text: str) -> HttpResponse:
    """Return bare text; it may hold bytes that are no UTF-8."""
    body = text.encode("utf-8", "surrogateescape")
    return HttpResponse(200, ((b"content-type", b"text/plain; charset=utf-8"),), body)


def allow(handler: HttpHandler, methods: Sequence[str]) -> HttpHandler:
    """Return a handler that refuses all other methods. (etcd: ``v2http``, allowMethod)"""
    header = (b"allow", ",".join(methods).encode())

    async def refuse(request: HttpRequest) -> HttpResponse:
        refused = plain_text(405, b"Method Not Allowed\n")
        return HttpResponse(405, (header, *refused.headers), refused.body)

    def handle(request: HttpRequest) -> Awaitable[HttpResponse]:
        return handler(request) if request.method in methods else refuse(request)

    return handle
