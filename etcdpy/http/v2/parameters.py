"""
What a request for keys asks for: its parameters, from the query and from a form.

Of several mistakes a client hears of the one that etcd finds first.
(etcd 3.5: ``v2http/client.go``, ``parseKeyRequest``; Go: ``net/http``, ``ParseForm``)
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from etcdpy.cooperative import Baton, Steps, finish, run
from etcdpy.errors import V2Error
from etcdpy.gostd.quoting import go_quote
from etcdpy.transport import BodyTooLargeError, HttpRequest
from etcdpy.v2 import codes
from etcdpy.v2.events import SECOND

__all__ = ["MOST_BODY_BYTES", "Parameters", "form_of", "parameters_of"]

#: The longest form. (Go: ``defaultMaxMemory`` of ``parsePostForm``)
MOST_BODY_BYTES: Final = 10 << 20

_FORM: Final = "application/x-www-form-urlencoded"

_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_MOST: Final = 2**64

#: What any of the modules of v2 asks for. A form may have a million other names.
_NAMES: Final = frozenset(
    (
        "dir",
        "field",
        "index",
        "name",
        "noValueOnSuccess",
        "prevExist",
        "prevIndex",
        "prevValue",
        "quorum",
        "recursive",
        "refresh",
        "sorted",
        "stream",
        "timeout",
        "ttl",
        "value",
        "wait",
        "waitIndex",
    )
)

#: Characters that are read in one slice, which takes up to a millisecond,
_SLICE: Final = 32 * 1024
#: and as how many a pair counts besides its own.
_PAIR_COST: Final = 40
_PAIR: Final = re.compile("[^&]+").finditer

#: More seconds than that are for ever: some 100 years.
_FOR_EVER: Final = 100 * 365 * 24 * 3600

_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
#: Characters of the longest type that is looked at beyond its name.
_LONGEST_TYPE: Final = 4096
#: (RFC 2045 5.1; Go: ``mime.ParseMediaType``)
_MEDIA_TYPE: Final = re.compile(
    # No two spaces that may be none stand beside each other: a megabyte of them would take hours.
    rf'\s*({_WORD}(?:/{_WORD})?)\s*(?:;\s*{_WORD}\s*=\s*(?:{_WORD}|"(?:[^"\\]|\\.)*")\s*)*(?:;\s*)?'
)


@dataclass(slots=True)
class Parameters:
    """
    The parameters of a request, named as clients name them.

    Attributes:
        prev_exist: Whether the key has to be there, or not; None if that was not asked.
        has_ttl: Whether a time to live was given.
        ttl: The seconds of it, None for ever.
        is_quiet: Whether what was written is not to be sent back (``noValueOnSuccess``).

    """

    value: str = ""
    prev_value: str = ""
    prev_index: int = 0
    wait_index: int = 0
    recursive: bool = False
    wait: bool = False
    dir: bool = False
    quorum: bool = False
    stream: bool = False
    prev_exist: bool | None = None
    refresh: bool = False
    has_ttl: bool = False
    ttl: int | None = None
    is_quiet: bool = False

    def expires(self, now: int) -> int | None:
        """Return when what is written now ends, both in nanoseconds since 1970; None for never."""
        return None if self.ttl is None else now + self.ttl * SECOND


def parameters_of(form: Mapping[str, str], method: str) -> Parameters:
    """
    Return what the values of a form ask for.

    Args:
        form: See ``form_of``.
        method: Of the request.

    Raises:
        V2Error: What is wrong first.

    """
    asked = Parameters()
    if not form:
        return asked
    if len(form) == 1 and "value" in form:
        # Most writes are that.
        asked.value = form["value"]
        return asked
    asked.prev_index = _index(form, "prevIndex")
    asked.wait_index = _index(form, "waitIndex")
    asked.recursive = _flag(form, "recursive")
    _flag(form, "sorted")  # everything is
    asked.wait = _flag(form, "wait")
    asked.dir = _flag(form, "dir")
    asked.quorum = _flag(form, "quorum")
    asked.stream = _flag(form, "stream")
    if asked.wait and method != "GET":
        raise V2Error(codes.INVALID_FIELD, '"wait" can only be used with GET requests')
    asked.prev_value = form.get("prevValue", "")
    if not asked.prev_value and "prevValue" in form:
        raise V2Error(codes.PREV_VALUE_REQUIRED, '"prevValue" cannot be empty')
    asked.is_quiet = _flag(form, "noValueOnSuccess")
    if form.get("ttl"):
        ttl = _number(form["ttl"])
        if ttl is None:
            raise V2Error(codes.TTL_NOT_A_NUMBER, 'invalid value for "ttl"')
        asked.has_ttl = True
        asked.ttl = ttl if ttl <= _FOR_EVER else None
    if "prevExist" in form:
        asked.prev_exist = _flag(form, "prevExist", "prevExist")
    asked.refresh = _flag(form, "refresh", "refresh")
    asked.value = form.get("value", "")
    if asked.refresh:
        if asked.value:
            raise V2Error(codes.REFRESH_VALUE, "A value was provided on a refresh")
        if not asked.has_ttl:
            raise V2Error(codes.REFRESH_TTL_REQUIRED, "No TTL value set")
    return asked


def _index(form: Mapping[str, str], name: str) -> int:
    text = form.get(name)
    if text is None:
        return 0
    number = _number(text)
    if number is None:
        raise V2Error(codes.INDEX_NOT_A_NUMBER, f'invalid value for "{name}"')
    return number


def _number(text: str) -> int | None:
    """Return an unsigned number of 64 bits, None if it is none. (Go: ``strconv.ParseUint``)"""
    # More digits than that can be zeros only, in front; what is longer takes Python long.
    if not text.isascii() or not text.isdigit():
        return None
    digits = text.lstrip("0")
    number = int(digits or "0") if len(digits) <= 20 else _MOST
    return number if number < _MOST else None


def _flag(form: Mapping[str, str], name: str, shown: str = "") -> bool:
    text = form.get(name)
    if text is None or text in _FALSE:
        return False
    if text in _TRUE:
        return True
    # etcd has some names in quotes, and some not.
    if not shown:
        shown = f'"{name}"'
    raise V2Error(codes.INVALID_FIELD, f"invalid value for {shown}")


async def form_of(
    request: HttpRequest, query: str, baton: Baton | None = None
) -> Mapping[str, str]:
    """
    Return the parameters of a request: the first value of each, those of the body first.

    Names that nobody asks for are left out.

    Args:
        request: Whose body is read, if it is a form and the method has one.
        query: What is behind the question mark of its path.
        baton: Who has it reads a long form, and goes on with it.

    Raises:
        V2Error: 210 if it cannot be read.
        BodyBrokenError: If the body does not come whole.

    """
    form: dict[str, str] = {}
    error = ""
    if request.method in ("PUT", "POST"):
        kind = request.header(b"content-type")
        # curl and all clients have it in these very letters.
        if kind != _FORM and kind:
            kind, error = _media_type(kind)
        if kind == _FORM:
            try:
                body = await request.body.read(MOST_BODY_BYTES)
            except BodyTooLargeError:
                raise V2Error(codes.INVALID_FORM, "http: POST too large") from None
            if body:
                wrong = await _parse(body.decode("utf-8", "surrogateescape"), form, baton)
                error = error or wrong
    if query:
        if not query.isascii():
            query = query.encode("latin-1").decode("utf-8", "surrogateescape")
        wrong = await _parse(query, form, baton)
        error = error or wrong
    if error:
        raise V2Error(codes.INVALID_FORM, error)
    return form


def _media_type(text: str) -> tuple[str, str]:
    """Return a type without its parameters, and what is wrong. (Go: ``mime.ParseMediaType``)"""
    found = _MEDIA_TYPE.fullmatch(text) if len(text) <= _LONGEST_TYPE else None
    if found is not None:
        return found[1].lower(), ""
    kind = text.partition(";")[0].strip().lower()
    if not kind:
        return "", "mime: no media type"
    if re.fullmatch(rf"{_WORD}(?:/{_WORD})?", kind):
        return kind, "mime: invalid media parameter"
    first, slash, rest = kind.partition("/")
    if not slash or not re.fullmatch(_WORD, first):
        return "", "mime: expected slash after first token"
    is_token = re.match(_WORD, rest)
    problem = "unexpected content after media subtype" if is_token else "expected token after slash"
    return "", f"mime: {problem}"


async def _parse(text: str, form: dict[str, str], baton: Baton | None) -> str:
    steps = _parsed(text, form)
    if len(text) <= _SLICE:
        return finish(steps)
    return await (run(steps) if baton is None else baton.run(steps))


def _parsed(text: str, form: dict[str, str]) -> Steps[str]:
    """
    Add what a query has to a form, and return what is wrong with it. (Go: ``url.parseQuery``)

    As of Go 1.17 a semicolon parts nothing.
    """
    error = ""
    is_plain = "%" not in text and "+" not in text
    looked = 0
    for found in _PAIR(text):
        pair = found[0]
        looked += len(pair) + _PAIR_COST
        if looked > _SLICE:
            yield
            looked = 0
        if ";" in pair:
            error = "invalid semicolon separator in query"
            continue
        name, _, value = pair.partition("=")
        if not is_plain:
            name, bad = yield from _unescaped(name)
            if not bad:
                value, bad = yield from _unescaped(value)
            if bad:
                error = error or f"invalid URL escape {go_quote(_three_bytes(bad))}"
                continue
        if name in _NAMES:
            form.setdefault(name, value)
    return error


def _three_bytes(text: str) -> str:
    return text.encode("utf-8", "surrogateescape")[:3].decode("utf-8", "surrogateescape")


def _unescaped(text: str) -> Steps[tuple[str, str]]:
    """Return a text without its escapes, or else the first that is none."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text, ""
    parts: list[bytes] = []
    start, size = 0, len(text)
    while start < size:
        end = start + _SLICE
        if end < size and (escape := text.rfind("%", end - 2, end)) >= 0:
            end = escape
        piece = text[start:end]
        if (bad := _BAD_ESCAPE.search(piece)) is not None:
            return "", bad[0]
        raw = piece.encode("utf-8", "surrogateescape")
        # Quoted-printable has another sign for the same, and is read in C: in 5 ms where a megabyte
        # of escapes takes ``urllib`` 140.
        parts.append(a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"=")))
        start = end
        if start < size:
            yield
    return b"".join(parts).decode("utf-8", "surrogateescape"), ""
