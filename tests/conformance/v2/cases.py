"""
Cases of keys that are easy to get wrong: requests in order, and what each is answered.

``D`` in a path is a directory of the case's own. An index that is written ``+1`` is that many above
the store's when the case began; in texts it is ``{+1}``. So nothing may end while others run.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

__all__ = ["CASES", "Case", "Step"]


class Step(NamedTuple):
    """
    A request and its answer.

    Attributes:
        request: Method, path, and the form if there is one.
        status: Of the answer.
        told: What its JSON says, as far as it matters; None for no JSON.
        kind: The type of the form.

    """

    request: str
    status: int
    told: dict[str, Any] | None = None
    kind: str = "application/x-www-form-urlencoded"


class Case(NamedTuple):
    """
    Some steps.

    Attributes:
        name: What they show.
        steps: The same.
        differs: A name in the table of differences if etcd 3.5.1 answers otherwise.

    """

    name: str
    steps: tuple[Step, ...]
    differs: str = ""


def case(name: str, *steps: Step, differs: str = "") -> Case:
    return Case(name, steps, differs)


def error(code: int, cause: str | None = None, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"errorCode": code, **more}
    return told if cause is None else {**told, "cause": cause}


def event(action: str, prev: dict[str, Any] | None = None, **node: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"action": action, "node": node}
    return told if prev is None else {**told, "prevNode": prev}


CASES: Final = [
    case(
        "1 to 4: a key is made, replaced, deleted, and gone",
        Step(
            "PUT D/m value=Hello",
            201,
            event("set", key="D/m", value="Hello", modifiedIndex="+1", createdIndex="+1"),
        ),
        Step(
            "PUT D/m value=Hello",
            200,
            event(
                "set",
                {"key": "D/m", "value": "Hello", "modifiedIndex": "+1", "createdIndex": "+1"},
                key="D/m",
                value="Hello",
                modifiedIndex="+2",
                createdIndex="+2",
            ),
        ),
        Step(
            "DELETE D/m",
            200,
            event("delete", key="D/m", modifiedIndex="+3", createdIndex="+2", value=None),
        ),
        Step("DELETE D/m", 404, error(100, "D/m", message="Key not found", index="+3")),
    ),
    case("5: no body is an empty value", Step("PUT D/e", 201, event("set", value=""))),
    case("6: the body wins", Step("PUT D/k?value=q value=b", 201, event("set", value="b"))),
    case("7: the first wins", Step("PUT D/k value=b&value=a", 201, event("set", value="b"))),
    case(
        "8: JSON is not read",
        Step('PUT D/k {"value":"x"}', 201, event("set", value=""), "application/json"),
    ),
    case(
        "9: multipart is not read",
        Step("PUT D/k value=x", 201, event("set", value=""), "multipart/form-data; boundary=x"),
    ),
    case(
        "10 and 11: a time to live is set, and taken away",
        Step("PUT D/k value=v&ttl=500", 201, event("set", ttl=500)),
        Step("PUT D/k value=w&ttl=&prevExist=true", 200, event("update", value="w", ttl=None)),
    ),
    case(
        "13: it is not below zero",
        Step("PUT D/k ttl=-1", 400, error(202, 'invalid value for "ttl"', index=0)),
    ),
    case("14: it may have zeros", Step("PUT D/k ttl=00700", 201, event("set", ttl=700))),
    case(
        "15: what is there is not created",
        Step("PUT D/k value=v", 201),
        Step("PUT D/k value=v&prevExist=false", 412, error(105, "D/k", index="+1")),
    ),
    case(
        "16 to 20: what is compared",
        Step("PUT D/k value=one", 201),
        Step("PUT D/k value=x&prevValue=two", 412, error(101, "[two != one]")),
        Step("PUT D/k value=x&prevIndex=1", 412, error(101, "[1 != {+1}]")),
        Step("PUT D/k prevValue=two&prevIndex=1", 412, error(101, "[two != one] [1 != {+1}]")),
        Step("PUT D/k value=x&prevValue=one&prevIndex=1", 412, error(101, "[1 != {+1}]")),
        Step("PUT D/k value=x&prevIndex=0", 200, event("set", modifiedIndex="+2")),
    ),
    case(
        "21 and 22: an index is a number",
        Step("PUT D/k prevIndex=", 400, error(203, 'invalid value for "prevIndex"')),
        Step("PUT D/k prevIndex=-1", 400, error(203, 'invalid value for "prevIndex"')),
    ),
    case(
        "23 to 26: what may be there before",
        Step("PUT D/k value=v", 201),
        Step("PUT D/k prevExist=", 400, error(209, "invalid value for prevExist")),
        Step("PUT D/k value=v&prevExist=TRUE", 200, event("update")),
        Step("PUT D/k value=v&PREVEXIST=true", 200, event("set")),
        Step("PUT D/k value=w&prevExist=true&prevValue=v", 200, event("compareAndSwap")),
    ),
    case(
        "27: what is not to be there is not compared",
        Step("PUT D/k prevExist=false&prevValue=zz", 201, event("create")),
    ),
    case("28: nothing to compare with", Step("PUT D/k prevValue=zz", 404, error(100, "D"))),
    case(
        "29 and 30: an update may leave out the value, and keeps a key a key",
        Step("PUT D/k value=v", 201),
        Step("PUT D/k prevExist=true", 200, event("update", value="", createdIndex="+1")),
        Step("PUT D/k prevExist=true&dir=true&value=x", 200, event("update", value="x")),
    ),
    case(
        "31 to 34: directories",
        Step("PUT D/d dir=true", 201, event("set", dir=True, value=None)),
        Step("PUT D/d dir=true", 403, error(102, "D/d")),
        Step("PUT D/d value=x", 403, error(102, "D/d")),
        Step("PUT D/e dir=true&value=x", 201, event("set", dir=True, value=None)),
        Step("PUT D/k value=v", 201),
        Step("PUT D/k dir=true", 200, event("set", {"key": "D/k", "value": "v"}, dir=True)),
    ),
    case(
        "35 to 39: what may be deleted",
        Step("PUT D/d/k value=v", 201),
        Step("DELETE D/d", 403, error(102, "D/d")),
        Step("DELETE D/d?dir=true", 403, error(108, "D/d")),
        Step("DELETE D/d?prevValue=x", 403, error(102, "D/d")),
        Step("DELETE D/d/k?dir=true", 200, event("delete")),
        Step("PUT D/d/k value=v", 201),
        Step("DELETE D/d?recursive=true", 200, event("delete", dir=True, modifiedIndex="+4")),
    ),
    case(
        "40 to 42: the root stays",
        Step("PUT / value=x", 400, error(107, "/")),
        Step("DELETE /?recursive=true", 400, error(107, "/")),
        Step("DELETE /?prevValue=x", 403, {"errorCode": 102, "cause": None}),
        Step("PUT / value=x&prevExist=true", 400, error(107, "/")),
        Step("PUT / value=x&prevValue=x", 400, error(107, "/")),
        Step("PUT / value=x&prevExist=false", 400, error(107, "/")),
    ),
    case(
        "43 to 45: a key is no directory",
        Step("PUT D/f value=v", 201),
        Step("PUT D/f/g value=v", 400, error(104, "D/f")),
        Step("GET D/f/g", 400, error(104, "D/f")),
        Step("POST D/f value=v", 400, error(104, "D/f")),
        Step("DELETE D/f/g/h", 400, error(104, "D/f")),
    ),
    case(
        "46: names in order",
        Step("POST D/q ttl=600&value=v", 201, event("create", ttl=600, modifiedIndex="+1")),
        Step("POST D/q dir=true", 201, event("create", dir=True)),
    ),
    case(
        "48: names are texts",
        Step("PUT D/a10", 201),
        Step("PUT D/a9", 201),
        Step("GET D?sorted=true", 200, event("get", nodes=[{"key": "D/a10"}, {"key": "D/a9"}])),
    ),
    case(
        "49 and 50: what is hidden is not listed",
        Step("PUT D/_a/_b value=v", 201),
        Step("PUT D/_a/c value=v", 201),
        Step("GET D?recursive=true", 200, event("get", nodes=None)),
        Step("GET D/_a", 200, event("get", nodes=[{"key": "D/_a/c"}])),
        Step("GET D/_a/_b", 200, event("get", value="v")),
    ),
    case(
        "51: the root has no key",
        Step("PUT D/k", 201),
        Step("GET ?recursive=true", 200, event("get", key=None, dir=True, modifiedIndex=None)),
    ),
    case(
        "52: what is true",
        Step("PUT D/k", 201),
        Step("GET D?recursive=yes", 400, error(209, 'invalid value for "recursive"')),
        Step("GET D?recursive=", 400, error(209, 'invalid value for "recursive"')),
        Step("GET D?recursive=T", 200, event("get")),
    ),
    case(
        "53: only the head",
        Step("PUT D/e", 201),
        Step("HEAD D/e", 200),
        Step("HEAD D/none", 404),
    ),
    case("54: no patches", Step("PATCH D/e", 405)),
    case(
        "55: only reading waits",
        Step("PUT D/k?wait=true", 400, error(209, '"wait" can only be used with GET requests')),
        Step("DELETE D/k?wait=true", 400, error(209)),
        Step("HEAD D/k?wait=true", 400),
    ),
    case(
        "56: a quorum waits for nothing",
        Step("PUT D/k value=v", 201),
        Step("GET D/k?wait=true&quorum=true", 200, event("get", value="v")),
    ),
    case(
        "57: an index that nobody needs",
        Step("GET D/k?waitIndex=abc", 400, error(203, 'invalid value for "waitIndex"')),
    ),
    case(
        "67 to 69: refreshing",
        Step("PUT D/k value=v", 201),
        Step("PUT D/k refresh=true", 400, error(212, "No TTL value set")),
        Step(
            "PUT D/k refresh=true&value=x&ttl=500",
            400,
            error(211, "A value was provided on a refresh"),
        ),
        Step("PUT D/none refresh=true&ttl=500", 404, error(100, "D/none")),
        Step("PUT D/k refresh=true&ttl=500", 200, event("set", value="v", modifiedIndex="+2")),
        Step("PUT D/k refresh=true&ttl=600&prevExist=true", 200, event("update", value="v")),
        Step("PUT D/k refresh=true&ttl=700&prevValue=v", 200, event("compareAndSwap", ttl=700)),
        Step("PUT D/n refresh=true&ttl=600&prevExist=false", 201, event("create", value="")),
    ),
    case(
        "72: no value on success",
        Step("PUT D/k value=v&noValueOnSuccess=true", 201, {"action": "set", "node": None}),
        Step("PUT D/k value=v&noValueOnSuccess=1&prevValue=x", 412, error(101)),
        Step("DELETE D/k?noValueOnSuccess=true", 200, event("delete", key="D/k")),
    ),
    case(
        "73: a bad escape",
        Step("PUT D/k value=%zz", 400, error(210, 'invalid URL escape "%zz"', index=0)),
        Step("PUT D/k?x=%4 value=b", 400, error(210, 'invalid URL escape "%4"')),
        Step("GET D/k?%", 400, error(210, 'invalid URL escape "%"')),
    ),
    case(
        "74: a semicolon parts nothing",
        Step("PUT D/k value=a;b", 400, error(210, "invalid semicolon separator in query")),
        differs="semicolon",
    ),
    case("75: safe in HTML", Step("PUT D/k value=<a%26b>", 201, event("set", value="<a&b>"))),
    case("76: no UTF-8", Step("PUT D/k value=%ff%c3", 201, event("set", value="\ufffd\ufffd"))),
    case(
        "77: lines and tabs stay",
        Step("PUT D/k value=a%0Ab%09c%00%08", 201, event("set", value="a\nb\tc\0\b")),
    ),
    case("78: two slashes are one", Step("GET D//a", 301), Step("PUT D//a value=v", 301)),
    case(
        "79: escapes in paths",
        Step("PUT D/sp%20ace/k%2Fx value=v", 201, event("set", key="D/sp ace/k/x")),
        Step("PUT D/a+b%3Fc value=v", 201, event("set", key="D/a+b?c")),
        Step("PUT D/gr%C3%BCn/ value=v", 201, event("set", key="D/grün")),
        Step("GET D/sp%20ace/k", 200, event("get", nodes=[{"key": "D/sp ace/k/x"}])),
    ),
    case(
        "80: a deletion has no body",
        Step("PUT D/k value=v", 201),
        Step("DELETE D/k prevValue=z", 200, event("delete")),
    ),
    case(
        "47: names in order in the root",
        Step("POST / value=v", 201, event("create", modifiedIndex="+1", key="/{+1:020}")),
        Step("DELETE /{+1:020}", 200, event("delete")),
    ),
    case(
        "a directory may be given a time to live",
        Step("PUT D/d dir=true", 201),
        Step("PUT D/d dir=true&ttl=600&prevExist=true", 200, event("update", ttl=600, dir=True)),
        Step("GET D/d", 200, event("get", ttl=600, modifiedIndex="+1")),
        differs="ttl of a directory",
    ),
    case(
        "a directory is not updated with a value",
        Step("PUT D/d/k value=v", 201),
        Step("PUT D/d value=x&prevExist=true", 403, error(102, "D/d")),
        Step("PUT D/d prevValue=x", 403, error(102, "D/d")),
        Step("PUT D/d prevExist=false", 412, error(105, "D/d")),
    ),
    case(
        "more than a hundred years are for ever",
        Step("PUT D/k ttl=18446744073709551615", 201, event("set", ttl=None, expiration=None)),
        differs="very long ttl",
    ),
    case(
        "no number is that large",
        Step("PUT D/k ttl=18446744073709551616", 400, error(202)),
        Step("PUT D/k prevIndex=18446744073709551616", 400, error(203)),
    ),
    case(
        "a path is created as far as it is missing, and the first missing part is named",
        Step("PUT D/a/b/c value=v", 201, event("set", modifiedIndex="+1")),
        Step("GET D/a/b", 200, event("get", modifiedIndex="+1", createdIndex="+1")),
        Step("GET D/a/x/y/z", 404, error(100, "D/a/x")),
    ),
    case(
        "comparing an empty value is refused",
        Step("PUT D/k prevValue=", 400, error(201, '"prevValue" cannot be empty')),
        Step("DELETE D/k?prevValue=", 400, error(201)),
    ),
    case(
        "a deletion compares",
        Step("PUT D/k value=v", 201),
        Step("DELETE D/k?prevValue=x", 412, error(101, "[x != v]")),
        Step("DELETE D/k?prevIndex=1", 412, error(101, "[1 != {+1}]")),
        Step("DELETE D/k?prevValue=v", 200, event("compareAndDelete", {"value": "v"})),
    ),
]
