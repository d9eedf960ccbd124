"""Users come over the JSON gateway: the same answers from etcdpy as from a real etcd."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop import auth_house
from tests.interop.auth_house import BCRYPT, secured, settle_in
from tests.interop.conftest import reachable, start
from tests.interop.etcdctl import Etcdctl
from tests.support.certificates import Authority
from tests.support.servers import Server

TIMEOUT = 30.0
USERS = (
    "user add alice:a",
    "role add part",
    "role grant-permission part readwrite a/ --prefix=true",
    "user grant-role alice part",
)


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    @property
    def decoded(self) -> Any:
        return json.loads(self.body)


def post(
    connection: http.client.HTTPConnection, path: str, body: object, token: str | None = None
) -> Answer:
    # Most clients send it. Without it etcd is mistaken about who calls, see below.
    headers = {"Accept": "*/*"}
    if token is not None:
        headers["Authorization"] = token
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    return Answer(response.status, response.read().decode())


def key(name: str) -> str:
    return b64encode(name.encode()).decode()


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def house(request: pytest.FixtureRequest, etcdctl: Etcdctl) -> Iterator[Server]:
    with start(request.param, *reachable(), BCRYPT) as server:
        if auth_house.version_of(server) < auth_house.SAME_RIGHTS:
            pytest.skip("an etcd with another gateway, which asks its callers less")
        settle_in(etcdctl, server, *USERS)
        yield server


@pytest.fixture
def connection(house: Server) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(house.address, timeout=TIMEOUT)) as it:
        yield it


@pytest.fixture
def token(connection: http.client.HTTPConnection) -> str:
    answer = post(connection, "/v3/auth/authenticate", {"name": "alice", "password": "a"})
    text: str = answer.decoded["token"]
    return text


@pytest.mark.parametrize("form", ["{}", "Bearer {}"])
def test_a_token_is_shown_in_a_header(
    connection: http.client.HTTPConnection, token: str, form: str
) -> None:
    shown = form.format(token)
    put = {"key": key("a/1"), "value": key("v")}
    assert post(connection, "/v3/kv/put", put, shown).status == 200
    found = post(connection, "/v3/kv/range", {"key": key("a/1")}, shown)
    assert [kv["value"] for kv in found.decoded["kvs"]] == [key("v")]


@pytest.mark.parametrize("path", ["/v3/kv/range", "/v3/kv/put", "/v3/kv/deleterange"])
def test_the_rest_is_denied(connection: http.client.HTTPConnection, token: str, path: str) -> None:
    refused = post(connection, path, {"key": key("other")}, token)
    assert refused.status == 403
    assert refused.decoded["message"] == "etcdserver: permission denied"


@pytest.mark.parametrize(
    ("shown", "status", "told"),
    [
        (None, 400, "etcdserver: user name is empty"),
        ("garbage", 401, "etcdserver: invalid auth token"),
        ("bearer garbage", 401, "etcdserver: invalid auth token"),
        ("", 401, "etcdserver: invalid auth token"),
    ],
)
def test_who_is_not_known_is_told(
    connection: http.client.HTTPConnection, shown: str | None, status: int, told: str
) -> None:
    refused = post(connection, "/v3/kv/range", {"key": key("a/1")}, shown)
    assert (refused.status, refused.decoded["message"]) == (status, told)


def test_a_wrong_password_is_told(connection: http.client.HTTPConnection) -> None:
    refused = post(connection, "/v3/auth/authenticate", {"name": "alice", "password": "x"})
    assert refused.status == 400
    told = "etcdserver: authentication failed, invalid user ID or password"
    assert refused.decoded["message"] == told


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_a_name_on_a_certificate_is_refused(tmp_path: Path, etcdctl: Etcdctl, kind: str) -> None:
    authority = Authority.make(tmp_path)
    alice, unnamed = authority.client("alice"), authority.client(None, file="unnamed")
    with start(kind, *secured(authority), BCRYPT) as server:
        shown = (f"--cert={alice.certificate}", f"--key={alice.key}")
        settle_in(etcdctl.with_flags(f"--cacert={authority.path}", *shown), server, *USERS)
        answers = []
        for pair in (alice, unnamed):
            context = authority.trusting(pair, "http/1.1")
            with closing(
                http.client.HTTPSConnection(server.address, timeout=TIMEOUT, context=context)
            ) as connection:
                answers.append(post(connection, "/v3/kv/range", {"key": key("a/1")}))
    refused, nobody = answers
    assert refused.status == nobody.status == 400
    assert refused.body == (
        "CommonName of client sending a request against gateway will be ignored and not used as"
        " expected\n"
    )
    assert "etcdserver: user name is empty" in nobody.body


def test_the_name_on_the_servers_own_certificate_is_nobodys(
    tmp_path: Path, etcdctl: Etcdctl
) -> None:
    """Where etcd takes who sends no ``Accept`` for the user of that name."""
    authority = Authority.make(tmp_path)
    unnamed = authority.client(None, file="unnamed")
    with start("etcdpy", *secured(authority), BCRYPT) as server:
        shown = (f"--cert={unnamed.certificate}", f"--key={unnamed.key}")
        settle_in(
            etcdctl.with_flags(f"--cacert={authority.path}", *shown),
            server,
            "user add server --no-password",
            "user grant-role server root",
        )
        context = authority.trusting(unnamed, "http/1.1")
        with closing(
            http.client.HTTPSConnection(server.address, timeout=TIMEOUT, context=context)
        ) as connection:
            connection.request("POST", "/v3/kv/range", json.dumps({"key": key("a")}))
            response = connection.getresponse()
            assert response.status == 400
            assert b"etcdserver: user name is empty" in response.read()
