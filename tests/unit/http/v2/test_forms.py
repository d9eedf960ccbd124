"""Parameters, from the query and the body."""

from __future__ import annotations

import pytest

from etcdpy.errors import V2Error
from etcdpy.http.v2.forms import form_of, name_in
from tests.unit.http.v2.asking import request

FORM = "application/x-www-form-urlencoded"


async def form(
    query: str, body: str = "", method: str = "POST", kind: str = FORM
) -> dict[str, str]:
    return await form_of(request(f"/x?{query}", method, body.encode(), content_type=kind))


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", "", {}),
        ("a=1&b", "", {"a": "1", "b": ""}),
        ("a=1", "a=2&c=3", {"a": "2", "c": "3"}),
        ("a=1&a=2", "", {"a": "1"}),
        ("a=x+y%20%2B&%61b==", "", {"a": "x y +", "ab": "="}),
        ("a=%C3%A9&b=%ff", "c=é", {"a": "é", "b": "\udcff", "c": "é"}),
        ("&&a=1&", "", {"a": "1"}),
        ("A=1", "", {"A": "1"}),
    ],
)
async def test_parameters(query: str, body: str, expected: dict[str, str]) -> None:
    assert await form(query, body) == expected


@pytest.mark.parametrize(
    ("method", "kind"),
    [("DELETE", FORM), ("GET", FORM), ("POST", "application/json"), ("PUT", "")],
)
async def test_bodies_that_are_no_forms(method: str, kind: str) -> None:
    assert await form("a=1", "a=2", method, kind) == {"a": "1"}


async def test_type_of_a_form_may_have_parameters() -> None:
    assert await form("", "a=2", "PUT", f"{FORM.upper()}; charset=utf-8") == {"a": "2"}


@pytest.mark.parametrize(
    ("query", "body", "cause"),
    [
        ("a=%zz", "", 'invalid URL escape "%zz"'),
        ("", "a=%1", 'invalid URL escape "%1"'),
        ("a;b", "", "invalid semicolon separator in query"),
        ("", "x" * (10 * 1024 * 1024 + 1), "http: POST too large"),
    ],
    ids=["query", "body", "semicolon", "large"],
)
async def test_what_cannot_be_read(query: str, body: str, cause: str) -> None:
    with pytest.raises(V2Error) as refusal:
        await form(query, body)
    assert (refusal.value.code, refusal.value.cause, refusal.value.index) == (210, cause, 0)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/m/a", "a"), ("/m/a/b?x=/y", "a/b"), ("/m/a%2Fb%20", "a/b "), ("/m/", ""), ("/m/a/", "a")],
)
def test_name_is_what_follows(path: str, name: str) -> None:
    assert name_in(request(path), "/m/") == name
