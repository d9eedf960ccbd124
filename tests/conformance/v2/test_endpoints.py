"""What v2 tells beside its keys, beside an etcd that still has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.support import http1, servers
from tests.support.http1 import Answer, request

#: Of both, as they are started with the same names.
OWN_ID = "b71f75320dc06a6c"

Both = tuple[str, str]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with ExitStack() as running:
        ours = running.enter_context(servers.etcdpy_server(args=("--enable-v2",)))
        # The newest that has v2, whichever etcd the others are compared with.
        binary = servers.distro_binary("etcd")
        etcds = running.enter_context(servers.etcd(binary, ("--enable-v2",)))
        yield ours.address, etcds.address


def comparable(answer: Answer) -> Answer:
    """Return an answer without what differs from run to run."""
    body = re.sub(rb'"(startTime|uptime)":"[^"]+"', rb'"\1":"?"', answer.body)
    headers = dict(answer.headers)
    if body != answer.body:
        headers.pop("Content-Length")
    return replace(answer, headers=headers, body=body)


def compare(both: Both, data: bytes, *, is_empty: bool = False) -> None:
    ours = comparable(http1.ask(both[0], data, to_head=is_empty))
    # Of two changes of members in quick succession etcd's raft may drop one, which then times out.
    for _ in range(3):
        etcds = comparable(http1.ask(both[1], data, to_head=is_empty))
        if etcds.status.split()[1] != "500":
            break
    assert ours == etcds


@pytest.mark.parametrize(
    "path",
    [
        "/v2/members",
        "/v2/members/",
        "/v2/members?x=y",
        "/v2/members/leader",
        "/v2/members/leader/",
        "/v2/members/x",
        f"/v2/members/{OWN_ID}",
        "/v2/members/%6Ceader",
        "/v2/machines",
        "/v2/stats/self",
        "/v2/stats/leader",
        "/v2/auth/enable",
        "/v2/auth/users",
        "/v2/auth/roles",
        "/v2",
        "/v2/",
        "/v2/membersx",
        "/v2/machines/",
        "/v2/stats",
        "/v2/stats/",
        "/v2/stats/self/",
        "/v2/stats/x",
        "/v2/auth",
        "/v2/auth/",
        "/v2/auth/enable/",
        "/v2/leader",
        "/v2/peers",
    ],
)
def test_path(both: Both, path: str) -> None:
    compare(both, request(path))


@pytest.mark.parametrize("path", ["/v2/members", "/v2/machines", "/v2/stats/self"])
@pytest.mark.parametrize("method", ["PATCH", "HEAD", "OPTIONS", "FOO", "PUT", "DELETE"])
def test_method(both: Both, path: str, method: str) -> None:
    ours, etcds = (
        http1.ask(address, request(path, method), to_head=method == "HEAD") for address in both
    )
    if method == "HEAD":  # which Go knows of some answers alone
        ours.headers.pop("Content-Length", None)
        etcds.headers.pop("Content-Length", None)
    assert ours == etcds


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/x-www-form-urlencoded",
        "Application/JSON",
        "text/plain; charset=utf-8",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;",
    ],
)
def test_type_of_a_body(both: Both, kind: str) -> None:
    compare(both, request("/v2/members", "POST", body=b"{}", Content_Type=kind))


BODIES = [
    "",
    " ",
    "{}",
    "null",
    "[]",
    "1",
    "1.5e3",
    "true",
    '"x"',
    "x",
    "{} x",
    '{"peerURLs"',
    '{"peerURLs":["http://a:1"]',
    '{"peerURLs":[]}',
    '{"peerURLs":null}',
    '{"peerURLs":"x"}',
    '{"peerURLs":{}}',
    '{"peerURLs":7}',
    '{"peerURLs":[1]}',
    '{"peerURLs":[null]}',
    '{"peerURLs":[[],1]}',
    '{"peerURLs":["bogus://h:1"]}',
    '{"peerURLs":["http://h"]}',
    '{"peerURLs":["http://h:1/path"]}',
    '{"peerURLs":["http://h:x"]}',
    '{"peerURLs":["h:1"]}',
    '{"peerURLs":[":"]}',
    '{"peerURLs":["http://a:1"],"PEERURLS":[" http://127.0.0.1:2380 "],"x":[1,{"y":null}]}',
    '{"peerURLs":["\\u00e9"]}',
]


@pytest.mark.parametrize("body", BODIES)
def test_body_of_a_new_member(both: Both, body: str) -> None:
    data = request("/v2/members", "POST", body=body.encode(), Content_Type="application/json")
    compare(both, data)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["", "/", "/%61BC", "/zzz", "/0x1", f"/{OWN_ID}/", "/1" + "0" * 16, "/-1"],
)
def test_change_of_no_member(both: Both, path: str, method: str) -> None:
    body = b'{"peerURLs":["http://127.0.0.1:2381"]}' if method == "PUT" else b""
    data = request(f"/v2/members{path}", method, body=body, Content_Type="application/json")
    compare(both, data)


def test_peer_urls_are_changed_and_listed(both: Both) -> None:
    body = b'{"peerURLs":["http://127.0.0.1:2380","http://a:1"]}'
    data = request(
        f"/v2/members/{OWN_ID.upper()}", "PUT", body=body, Content_Type="application/json"
    )
    compare(both, data, is_empty=True)
    compare(both, request("/v2/members"))


def test_this_member_stays(both: Both) -> None:
    compare(both, request(f"/v2/members/{OWN_ID}", "DELETE"))
