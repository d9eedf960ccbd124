"""Paths are read and cleaned as in Go 1.16."""

from __future__ import annotations

import pytest

from etcdpy.http.v2.path import moved, unescaped
from tests.unit.http.v2.asking import request


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/v2/keys/a", "/v2/keys/a"),
        ("/v2/keys/sp%20ace/k%2Fx", "/v2/keys/sp ace/k/x"),
        ("/v2/keys/a+b%3Fc", "/v2/keys/a+b?c"),
        ("/v2/keys/gr%c3%bcn", "/v2/keys/grün"),
        ("/v2/keys/gr\xc3\xbcn", "/v2/keys/grün"),
        ("/v2/keys/%ff", "/v2/keys/\udcff"),
    ],
)
def test_escapes_are_read(raw: str, path: str) -> None:
    assert unescaped(raw) == path


@pytest.mark.parametrize("path", ["/v2/keys", "/v2/keys/", "/v2/keys/a/", "/v2/keys/.a"])
def test_clean_path_stays(path: str) -> None:
    assert moved(request(path), path, "") is None


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v2/keys//a", b"/v2/keys/a"),
        ("/v2/keys/a/./b/", b"/v2/keys/a/b/"),
        ("/v2/keys/../x", b"/v2/x"),
        ("/v2/keys//a b!?", b"/v2/keys/a%20b%21%3F"),
        ("//v2/keys/a", b"/v2/keys/a"),
    ],
)
def test_path_that_is_not_clean_is_moved(path: str, where: bytes) -> None:
    answer = moved(request(path), path, "")
    assert answer is not None
    assert answer.status == 301
    assert (b"location", where) in answer.headers


def test_query_goes_along_and_a_page_is_for_who_reads_one() -> None:
    answer = moved(request("/v2/keys//a"), "/v2/keys//a", "dir=true&x")
    assert answer is not None
    assert answer.body == b'<a href="/v2/keys/a?dir=true&amp;x">Moved Permanently</a>.\n\n'
    put = moved(request("/v2/keys//a", "PUT"), "/v2/keys//a", "")
    assert put is not None
    assert put.body == b""
