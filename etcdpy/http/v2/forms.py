"""
Forms: the parameters of a request of a module, from its query and its body.

(Go: net/http, ``Request.ParseForm``)
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, unquote_plus

from etcdpy.errors import V2Error
from etcdpy.gostd.quoting import go_quote
from etcdpy.transport import BodyTooLargeError, HttpRequest
from etcdpy.v2.codes import INVALID_FORM

__all__ = ["form_of", "name_in"]

#: Bytes of a body. (Go: ``maxFormSize``)
_MOST_BYTES: Final = 10 << 20
_FORM: Final = "application/x-www-form-urlencoded"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


async def form_of(request: HttpRequest) -> dict[str, str]:
    """
    Return the parameters by their names; of one that comes twice the first, that of the body.

    Raises:
        V2Error: 210 if they cannot be read.

    """
    form: dict[str, str] = {}
    kind = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and kind == _FORM:
        try:
            body = await request.body.read(_MOST_BYTES)
        except BodyTooLargeError:
            raise V2Error(INVALID_FORM, "http: POST too large") from None
        _add(form, body.decode("utf-8", "surrogateescape"))
    _add(form, request.path.partition("?")[2])
    return form


def name_in(request: HttpRequest, prefix: str) -> str:
    """Return what follows a prefix in the path of a request."""
    path = unquote(request.path.partition("?")[0], errors="surrogateescape")
    return path.removeprefix(prefix).strip("/")


def _add(form: dict[str, str], text: str) -> None:
    for pair in text.split("&"):
        if ";" in pair:
            raise V2Error(INVALID_FORM, "invalid semicolon separator in query")
        if escape := _BAD_ESCAPE.search(pair):
            raise V2Error(INVALID_FORM, f"invalid URL escape {go_quote(escape[0])}")
        name, _, value = pair.partition("=")
        if pair:
            form.setdefault(_text(name), _text(value))


def _text(coded: str) -> str:
    return unquote_plus(coded, errors="surrogateescape")
