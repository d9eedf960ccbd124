"""JSON as Go's encoder writes it, and refusals."""

from __future__ import annotations

import pytest

from etcdpy.http.v2.answers import allow, go_json, json_answer, message
from etcdpy.transport import HttpRequest, HttpResponse
from tests.unit.http.v2.asking import CLUSTER, JSON, NOSNIFF, TEXT, ask, without_length


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, True, None], "b": {}}, '{"a":[1,true,null],"b":{}}'),
        ("<a&b>", r'"\u003ca\u0026b\u003e"'),
        ("é\u2028\u2029\U0001f600", '"é\\u2028\\u2029\U0001f600"'),
        ("a\udcff", r'"a\ufffd"'),
        ("\b\f\n\r\t\0\x7f", '"\\u0008\\u000c\\n\\r\\t\\u0000\x7f"'),
        ('\\b"\\', r'"\\b\"\\"'),
    ],
)
def test_json_is_gos(value: object, shown: str) -> None:
    assert go_json(value) == shown.encode()


def test_line_may_end() -> None:
    assert json_answer(200, {}).body == b"{}"
    assert json_answer(200, {}, CLUSTER, newline=True) == HttpResponse(
        200, (JSON, CLUSTER), b"{}\n"
    )


def test_refusal() -> None:
    assert message(404, "Not found", CLUSTER) == HttpResponse(
        404, (JSON, CLUSTER), b'{"message":"Not found"}'
    )


async def test_other_methods_are_told_which_there_are() -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        return HttpResponse(299)

    answers = allow(handler, ("GET", "HEAD"))
    assert (await ask(answers, "/x", "HEAD")).status == 299
    refused = await ask(answers, "/x", "get")
    assert (refused.status, refused.body) == (405, b"Method Not Allowed\n")
    assert without_length(refused) == [(b"allow", b"GET,HEAD"), TEXT, NOSNIFF]
