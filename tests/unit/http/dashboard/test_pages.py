"""What is answered under /mod/dashboard."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from etcdpy.http.dashboard import ROOT, Dashboard
from etcdpy.http.dashboard.assets import Assets
from etcdpy.transport import Body, HttpRequest, HttpResponse


@pytest.fixture
def dashboard(tmp_path: Path) -> Dashboard:
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "a b.js").write_text("script")
    return Dashboard(frozenset(), Assets(tmp_path))


async def ask(
    dashboard: Dashboard, path: str, method: str = "GET", **fields: str
) -> HttpResponse:  # fmt: skip
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return await dashboard(HttpRequest(method, path, "x", headers, Body(), "ipv4:1.1.1.1:1"))


async def test_name_alone_leads_to_the_page(dashboard: Dashboard) -> None:
    answer = await ask(dashboard, ROOT)
    assert (answer.status, answer.headers) == (302, ((b"location", b"/mod/dashboard/"),))
    assert (await ask(dashboard, "/mod/dashboard?x=y")).status == 302


@pytest.mark.parametrize("path", ["/", "/?a", "/keys", "/static", "/a/b/static/a b.js", "x"])
async def test_page_answers_whatever_else_there_is(dashboard: Dashboard, path: str) -> None:
    answer = await ask(dashboard, ROOT + path)
    assert (answer.status, answer.body) == (200, b"<p>page")
    assert dict(answer.headers)[b"content-type"] == b"text/html; charset=utf-8"
    assert dict(answer.headers)[b"content-length"] == b"7"


async def test_page_is_told_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<html data-gateway="off" data-v2="off">')
    answers = [
        await ask(Dashboard(frozenset(doors), Assets(tmp_path)), f"{ROOT}/")
        for doors in ((), ("gateway",), ("gateway", "v2"))
    ]
    assert [answer.body for answer in answers] == [
        b'<html data-gateway="off" data-v2="off">',
        b'<html data-gateway="on" data-v2="off">',
        b'<html data-gateway="on" data-v2="on">',
    ]
    assert len({dict(answer.headers)[b"etag"] for answer in answers}) == 3


@pytest.mark.parametrize("name", ["a b.js", "a%20b.js", "a%20b.js?v=1"])
async def test_files_are_served_by_name(dashboard: Dashboard, name: str) -> None:
    answer = await ask(dashboard, f"{ROOT}/static/{name}")
    assert (answer.status, answer.body) == (200, b"script")
    assert dict(answer.headers)[b"content-type"] == b"text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "told"),
    [("x.js", b"x.js"), ("", b""), ("../%3Cb%3E", b"../<b>"), ("%ff", b"\xef\xbf\xbd")],
)
async def test_file_that_is_not_there(dashboard: Dashboard, name: str, told: bytes) -> None:
    answer = await ask(dashboard, f"{ROOT}/static/{name}")
    assert (answer.status, answer.body) == (404, told + b": File not found")
    assert dict(answer.headers)[b"content-type"] == b"text/plain; charset=utf-8"
    assert dict(answer.headers)[b"x-content-type-options"] == b"nosniff"


async def test_what_a_browser_has_is_not_sent_again(dashboard: Dashboard) -> None:
    path = f"{ROOT}/static/a b.js"
    tag = dict((await ask(dashboard, path)).headers)[b"etag"].decode()
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await ask(dashboard, path, if_none_match=known)
        assert (again.status, again.body) == (304, b"")
        assert dict(again.headers)[b"etag"] == tag.encode()
    assert (await ask(dashboard, path, if_none_match='"other"')).status == 200


async def test_files_are_compressed_for_those_who_take_it(dashboard: Dashboard) -> None:
    path = f"{ROOT}/static/a b.js"
    answer = await ask(dashboard, path, accept_encoding="br, gzip")
    assert isinstance(answer.body, bytes)
    assert gzip.decompress(answer.body) == b"script"
    assert dict(answer.headers)[b"content-encoding"] == b"gzip"
    assert dict(answer.headers)[b"content-length"] == b"%d" % len(answer.body)


async def test_page_may_do_nothing_but_run_its_own_scripts(dashboard: Dashboard) -> None:
    for path in (f"{ROOT}/", f"{ROOT}/static/a b.js"):
        headers = dict((await ask(dashboard, path)).headers)
        policy = dict(
            part.split(" ", 1) for part in headers[b"content-security-policy"].decode().split("; ")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_it_is_only_looked_at(dashboard: Dashboard, method: str) -> None:
    answer = await ask(dashboard, f"{ROOT}/", method)
    assert (answer.status, dict(answer.headers)[b"allow"]) == (405, b"GET, HEAD")
    assert (await ask(dashboard, f"{ROOT}/", "HEAD")).status == 200
