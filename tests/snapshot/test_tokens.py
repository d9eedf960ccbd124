"""Which tokens are good on a server that is restored from a snapshot."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.snapshot.stores import Kind, restore, save, started
from tests.support.client import Client
from tests.support.servers import Server

BCRYPT = "--bcrypt-cost=4"
ROADS: list[tuple[Kind, Kind]] = [("etcdpy", "etcd"), ("etcd", "etcdpy"), ("etcdpy", "etcdpy")]


def settle_in(server: Server) -> str:
    """Have root log in to get at its key; return its token."""
    with closing(Client(server.address)) as client:
        client.kv.Put(pb.PutRequest(key=b"k", value=b"v"), timeout=60)
        client.auth.UserAdd(pb.AuthUserAddRequest(name="root", password="r"))
        client.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="root", role="root"))
        client.auth.AuthEnable(pb.AuthEnableRequest())
        return login(client)


def login(client: Client) -> str:
    request = pb.AuthenticateRequest(name="root", password="r")
    token: str = client.auth.Authenticate(request, timeout=60).token
    return token


def get(client: Client, token: str, timeout: float = 30) -> list[bytes]:
    request = pb.RangeRequest(key=b"k")
    found = client.kv.Range(request, metadata=(("token", token),), timeout=timeout)
    return [kv.value for kv in found.kvs]


@pytest.mark.parametrize(("here", "there"), ROADS, ids=["->".join(road) for road in ROADS])
def test_a_signed_token_is_good_where_the_key_is_known(
    tmp_path: Path, here: Kind, there: Kind
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"a key of thirty-two bytes or more" * 2)
    signed = f"--auth-token=jwt,sign-method=HS256,priv-key={key},ttl=1h"
    with started(here, tmp_path / "here", BCRYPT, signed) as server:
        token = settle_in(server)
        save(here, server, tmp_path / "file.db", "root:r")
    restore(there, tmp_path / "file.db", tmp_path / "there")
    with (
        started(there, tmp_path / "there", BCRYPT, signed) as server,
        closing(Client(server.address)) as client,
    ):
        assert get(client, token) == get(client, login(client)) == [b"v"]
        request = pb.AuthRoleAddRequest(name="new")
        client.auth.RoleAdd(request, metadata=(("token", token),), timeout=60)
        # Before 3.6 it was said in the second way.
        with pytest.raises(grpc.RpcError, match=r"revision (of auth store|in header) is old"):
            get(client, token)


@pytest.mark.parametrize(("here", "there"), ROADS, ids=["->".join(road) for road in ROADS])
def test_a_simple_token_is_gone(tmp_path: Path, here: Kind, there: Kind) -> None:
    with started(here, tmp_path / "here", BCRYPT) as server:
        token = settle_in(server)
        save(here, server, tmp_path / "file.db", "root:r")
    restore(there, tmp_path / "file.db", tmp_path / "there")
    with (
        started(there, tmp_path / "there", BCRYPT) as server,
        closing(Client(server.address)) as client,
    ):
        # etcd waits for a token with a number that its log has not reached.
        with pytest.raises(grpc.RpcError) as caught:
            get(client, token, timeout=2 if there == "etcd" else 60)
        refused: Any = caught.value
        codes = [grpc.StatusCode.UNAUTHENTICATED]
        if there == "etcd":
            codes.append(grpc.StatusCode.DEADLINE_EXCEEDED)
        assert refused.code() in codes
        assert get(client, login(client)) == [b"v"]
