"""
The JSON gateway beside etcd's: the same status and the same body for whatever comes.

Older releases have another gateway with other words, so the reference has to be as new as etcdpy.
``ETCDPY_SEED`` repeats a run, ``ETCDPY_CONFORMANCE_COUNT`` sets its length.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from random import Random
from typing import Any

import pytest

from etcdpy.http.json_encode import BASE64
from etcdpy.http.paths import PATHS
from tests.conformance.conftest import REFERENCE_ARGS
from tests.conformance.differences import version_of
from tests.conformance.gateway_requests import request_type
from tests.conformance.peers import Peer
from tests.support import servers
from tests.support.ports import free_port
from tests.support.seeds import SEED
from tests.unit.http.messages import random_message
from tests.unit.http.mutations import BODIES, mutated

COUNT = int(os.environ.get("ETCDPY_CONFORMANCE_COUNT") or 5000)

#: The first release with this gateway.
SINCE = (3, 7)

#: What ends never, ends the quorum, has ids that are drawn and tells what they make of it, or
#: makes leases that end at one of the two a moment before they end at the other.
LEFT_OUT = {
    "/v3/lease/grant",
    "/v3/watch",
    "/v3/lease/keepalive",
    "/v3/lock/lock",
    "/v3/election/campaign",
    "/v3/election/observe",
    "/v3/election/proclaim",
    "/v3/election/resign",
    "/v3/maintenance/snapshot",
    "/v3/maintenance/status",
    "/v3/maintenance/hash",
    "/v3/maintenance/downgrade",
    "/v3/cluster/member/add",
    "/v3/cluster/member/remove",
    "/v3/cluster/member/update",
    "/v3/cluster/member/promote",
    "/v3/auth/enable",
    "/v3/auth/authenticate",
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[tuple[str, str]]:
    """Where an etcdpy and a real etcd serve, which have the same names and no history."""
    # Its gateway connects to the address in the flag, so there has to be a port in that.
    url = f"--listen-client-urls=http://127.0.0.1:{free_port()}"
    args = ["--bcrypt-cost=4"]
    with servers.reference_etcd([*REFERENCE_ARGS, *args, url]) as reference:
        peer = Peer(reference.address)
        version = version_of(peer)
        peer.close()
        if version < SINCE:
            pytest.skip("the gateway of older releases reads and writes JSON in other ways")
        with servers.etcdpy_server("native", args) as subject:
            yield subject.address, reference.address


class Gateway:
    """One of the two, by HTTP."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._connection = HTTPConnection(host, int(port), timeout=30)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
        """Return the status and the body, what JSON it is."""
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        try:
            return response.status, _comparable(json.loads(content))
        except ValueError:
            return response.status, content

    def close(self) -> None:
        self._connection.close()


def _comparable(reply: Any) -> Any:
    """Return a reply without what differs from time to time: a space, orders, seconds left."""
    if not isinstance(reply, dict):
        return reply
    if isinstance(reply.get("message"), str):
        reply["message"] = reply["message"].replace("\u00a0", " ")
    for listed in ("alarms", "leases"):
        if listed in reply:
            reply[listed].sort(key=str)
    if "grantedTTL" in reply:
        del reply["TTL"]
    return reply


@pytest.fixture
def gateways(addresses: tuple[str, str]) -> Iterator[tuple[Gateway, Gateway]]:
    subject, reference = map(Gateway, addresses)
    yield subject, reference
    subject.close()
    reference.close()


def test_random_requests_are_answered_alike(gateways: tuple[Gateway, Gateway]) -> None:
    print(f"ETCDPY_SEED={SEED}")
    paths = sorted(set(PATHS) - LEFT_OUT)
    for lease in range(1, 4):
        granted = b'{"ID":"%d","TTL":"100000"}' % lease
        answers = [gateway.post("/v3/lease/grant", granted) for gateway in gateways]
        assert answers[0] == answers[1]
    for step in range(COUNT):
        random = Random(f"{SEED}/{step}")
        path = random.choice(paths)
        body = _body(random, path)
        answers = [gateway.post(path, body) for gateway in gateways]
        assert answers[0] == answers[1], (SEED, step, path, body)


def _body(random: Random, path: str) -> bytes:
    body = BASE64.encode(random_message(random, request_type(path), depth=2))
    if random.random() < 0.1:
        body = random.choice(BODIES)
    return mutated(random, body) if random.random() < 0.5 else body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v3/kv/range", b"{}"),
        ("/v3/kv/nope", b"{}"),
        ("/v3/kv/range/", b"{}"),
        ("/v3beta/kv/range", b'{"key":"YQ=="}'),
        ("/v3alpha/kv/range", b'{"key":"YQ=="}'),
        ("/v3/kv/range", b'{"key":"YQ","limit":"1e2","bogus":[{}]} tail'),
        ("/v3/kv/put", b'{"key":"YQ==","lease":"77"}'),
        ("/v3/lease/revoke", b'{"ID":"5"}'),
        ("/v3/lease/grant", b'{"ID":"5","TTL":"9000000001"}'),
        ("/v3/kv/txn", b"{}"),
        ("/v3/cluster/member/add", b'{"peerURLs":["nope"]}'),
        ("/v3/cluster/member/remove", b'{"ID":"1"}'),
        ("/v3/cluster/member/list", b""),
        ("/v3/auth/authenticate", b'{"name":"a","password":"b"}'),
        ("/v3/auth/enable", b""),
        ("/v3/maintenance/alarm", b'{"memberID":"18446744073709551615"}'),
        ("/v3/maintenance/alarm", b'{"memberID":"-1"}'),
        ("/v3/maintenance/hashkv", b""),
        ("/v3/maintenance/defragment", b""),
        ("/v3/election/leader", b'{"name":"YQ=="}'),
        ("/v3/election/proclaim", b""),
    ],
)
def test_request_is_answered_as_etcd_answers_it(
    gateways: tuple[Gateway, Gateway], path: str, body: bytes
) -> None:
    subject, reference = gateways
    assert subject.post(path, body) == reference.post(path, body)


@pytest.mark.parametrize("timeout", ["1n", "abc", "5S", "5s", "-1S", "99999999999999999999S", "0m"])
def test_time_that_a_call_may_take_is_read_alike(
    gateways: tuple[Gateway, Gateway], timeout: str
) -> None:
    subject, reference = gateways
    headers = {"Grpc-Timeout": timeout}
    body = b'{"key":"YQ=="}'
    expected = reference.post("/v3/kv/range", body, **headers)
    assert subject.post("/v3/kv/range", body, **headers) == expected
