"""
Bodies of JSON as v2 reads them: what Go's ``json.Unmarshal`` makes of them, and its refusals.

(etcd 3.5: ``httptypes/member.go``, MemberCreateRequest)
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from etcdpy.cooperative import run
from etcdpy.http.json_scanner import JsonError, only_value

__all__ = ["peer_urls_in"]

_NAME: Final = "peerURLs"
_TARGET: Final = r'struct { PeerURLs []string "json:\"peerURLs\"" }'
_LONE: Final = re.compile("[\ud800-\udfff]")


class _Object(list[tuple[str, Any]]):
    """The members of an object, in order, names that come twice included."""


async def peer_urls_in(body: bytes) -> list[str]:
    """
    Return the texts that a body has under ``peerURLs``; none if it has none.

    Raises:
        JsonError: It is no JSON, or not of that form; the text is Go's.

    """
    value = await run(only_value(body))
    try:
        found = json.loads(
            value.decode("utf-8", "replace"),
            object_pairs_hook=_Object,
            parse_int=float,
        )
    except RecursionError:
        raise JsonError("exceeded max depth") from None
    if found is None:
        return []
    if not isinstance(found, _Object):
        raise JsonError(f"json: cannot unmarshal {_kind(found)} into Go value of type {_TARGET}")
    urls: list[str] = []
    errors: list[str] = []
    for name, member in found:
        # Names are compared in any letter case. (Go: ``encoding/json``, foldFunc)
        if name.casefold() == _NAME.casefold():
            urls = _texts(member, urls, errors)
    if errors:
        # Go reads on, and tells of the first.
        raise JsonError(errors[0])
    return urls


def _texts(member: Any, before: list[str], errors: list[str]) -> list[str]:
    place = f"Go struct field .{_NAME} of type"
    if member is None:
        return []
    if isinstance(member, _Object) or not isinstance(member, list):
        errors.append(f"json: cannot unmarshal {_kind(member)} into {place} []string")
        return before
    errors += [
        f"json: cannot unmarshal {_kind(item)} into {place} string"
        for item in member
        if item is not None and not isinstance(item, str)
    ]
    return [_LONE.sub("\ufffd", item) if isinstance(item, str) else "" for item in member]


def _kind(value: Any) -> str:
    """Return what Go calls a value that is no null."""
    kinds = {_Object: "object", list: "array", str: "string", bool: "bool", float: "number"}
    return kinds[type(value)]
