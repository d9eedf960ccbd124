"""Answers to what is not gRPC."""

from __future__ import annotations

import hpack

from etcdpy.transport import Body, HttpRequest, HttpResponse
from etcdpy.transport.http import not_found, plain_text


def fields(response: HttpResponse) -> list[tuple[str, str]]:
    decoded = hpack.Decoder().decode(response.block())
    return [(str(name), str(value)) for name, value in decoded]


def test_block_has_the_status_first() -> None:
    response = HttpResponse(201, [(b"x-a", b"b"), (b"content-type", b"text/html")])
    assert fields(response) == [(":status", "201"), ("x-a", "b"), ("content-type", "text/html")]


def test_plain_text_has_the_headers_of_gos_http_error() -> None:
    response = plain_text(413, b"too large\n")
    assert fields(response) == [
        (":status", "413"),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("content-length", "10"),
    ]
    assert response.body == b"too large\n"


def test_more_headers_come_before_those_that_are_there() -> None:
    response = HttpResponse(200, ((b"a", b"1"),), b"x", is_endless=True, last=b"y")
    more = response.with_headers(((b"b", b"2"),))
    assert more.headers == ((b"b", b"2"), (b"a", b"1"))
    assert (more.status, more.body, more.is_endless, more.last) == (200, b"x", True, b"y")
    assert response.headers == ((b"a", b"1"),)


async def test_nothing_is_found_anywhere() -> None:
    response = await not_found(HttpRequest("GET", "/", "localhost", (), Body(), "unix:"))
    assert (response.status, response.body) == (404, b"404 page not found\n")
