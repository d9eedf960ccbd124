"""The audit log of a server: who did what, on either transport, and nothing secret anywhere."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2, v3election_pb2_grpc, v3lock_pb2, v3lock_pb2_grpc
from etcdpy.pb.auth_pb2 import Permission
from tests.lifecycle.process import PORT_0, Process, run
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.servers import Server, Transport, etcdpy_server
from tests.support.small_disk import mounted

# Generated service stubs carry no types.
_locks: Any = v3lock_pb2_grpc
_elections: Any = v3election_pb2_grpc

#: What may be nowhere.
SECRET = "5ecre7"
SECRETS = (SECRET.encode(), b"NWVjcmU3")


@pytest.fixture(params=get_args(Transport))
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def lines(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert (found[0]["method"], found[-1]["method"]) == ("internal:start", "internal:stop")
    return found[1:-1]


@pytest.fixture
def audited(transport: Transport, path: Path) -> Iterator[Server]:
    with etcdpy_server(transport, [f"--audit-log={path}"]) as server:
        yield server


def test_line_names_method_peer_and_software(audited: Server, path: Path) -> None:
    with closing(Client(audited.address, ("grpc.primary_user_agent", "mine/7"))) as client:
        client.kv.Put(pb.PutRequest(key=b"a", value=b"v"))
    audited.stop()
    (line,) = lines(path)
    assert line["method"] == "/etcdserverpb.KV/Put"
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["user_agent"].startswith("mine/7 ")
    assert line["ops"] == [{"op": "put", "key": "a"}]


def test_locks_and_elections_have_their_own_methods(audited: Server, path: Path) -> None:
    with closing(Client(audited.address)) as client:
        lock = _locks.LockStub(client.channel)
        election = _elections.ElectionStub(client.channel)
        client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=10, TTL=600))
        held = lock.Lock(v3lock_pb2.LockRequest(name=b"l", lease=10))
        lock.Unlock(v3lock_pb2.UnlockRequest(key=held.key))
        won = election.Campaign(v3election_pb2.CampaignRequest(name=b"e", lease=10, value=b"v"))
        election.Proclaim(v3election_pb2.ProclaimRequest(leader=won.leader, value=b"w"))
        election.Resign(v3election_pb2.ResignRequest(leader=won.leader))
        own = lock.Lock(v3lock_pb2.LockRequest(name=b"l"))
    audited.stop()
    _, *told = [
        (line["method"].rpartition("/")[2], *((op["op"], op["key"]) for op in line.get("ops", ())))
        for line in lines(path)
    ]
    assert told == [
        ("Lock", ("put", "l/a")),
        ("Unlock", ("delete", "l/a")),
        ("Campaign", ("put", "e/a")),
        ("Proclaim", ("put", "e/a")),
        ("Resign", ("delete", "e/a")),
        # The lease it is given, which nobody has asked for by another method.
        ("Lock",),
        ("Lock", ("put", own.key.decode())),
    ]


def test_certificate_of_a_client_is_told_of(
    transport: Transport, path: Path, tmp_path: Path
) -> None:
    authority = Authority.make(tmp_path)
    pair, alice = authority.server(), authority.client("alice")
    args = [
        f"--audit-log={path}",
        "--listen-client-urls=https://127.0.0.1:0",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority.path}",
        "--client-cert-auth",
    ]
    with etcdpy_server(transport, args) as server:
        with closing(Client(server.address, credentials=authority.credentials(alice))) as client:
            client.kv.Put(pb.PutRequest(key=b"a"))
        server.stop()
    (line,) = lines(path)
    assert line["certificate"] == "alice"
    assert "user" not in line, "nobody is asked who he is"


def test_command_answers_who_has_written_a_key(audited: Server, path: Path) -> None:
    with closing(Client(audited.address, ("grpc.primary_user_agent", "mine/7"))) as client:
        for key in (b"a/1", b"b"):
            client.kv.Put(pb.PutRequest(key=key, value=b"v"))
        client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"a/", range_end=b"a0"))
    audited.stop()
    command = [sys.executable, "-m", "etcdpy", "audit", str(path), "--key=a/1", "--json"]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    methods = [json.loads(line)["method"].rpartition("/")[2] for line in asked.stdout.splitlines()]
    assert methods == ["Put", "DeleteRange"]
    nothing = subprocess.run([*command[:-2], "--key=c"], capture_output=True, check=False)
    assert nothing.returncode == 1


def test_watch_that_is_refused_is_told_of_with_the_user(audited: Server, path: Path) -> None:
    with closing(Client(audited.address)) as client:
        tokens = _with_users(client)
        create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"x", range_end=b"y"))
        stream = client.watch.Watch(iter([create]), metadata=[("token", tokens["alice"])])
        assert next(stream).canceled
        stream.cancel()
        with pytest.raises(grpc.RpcError):
            client.kv.Range(pb.RangeRequest(key=b"x"), metadata=[("token", "wrong")])
    audited.stop()
    *_, watch, read = lines(path)
    assert watch["method"] == "/etcdserverpb.Watch/Watch"
    assert watch["user"] == "alice"
    assert watch["ops"] == [{"op": "watch", "key": "x", "range_end": "y"}]
    assert watch["code"] == "PERMISSION_DENIED"
    assert (read["method"], read["code"]) == ("/etcdserverpb.KV/Range", "UNAUTHENTICATED")
    assert "user" not in read


def _with_users(client: Client) -> dict[str, str]:
    """Switch authentication on, with ``root`` and ``alice``; return their tokens."""
    auth = client.auth
    for user, role in (("root", "root"), ("alice", "some")):
        auth.UserAdd(pb.AuthUserAddRequest(name=user, password=SECRET))
        auth.RoleAdd(pb.AuthRoleAddRequest(name=role))
        auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=user, role=role))
    permission = Permission(permType=Permission.READWRITE, key=b"a", range_end=b"b")
    auth.RoleGrantPermission(pb.AuthRoleGrantPermissionRequest(name="some", perm=permission))
    auth.AuthEnable(pb.AuthEnableRequest())
    return {user: _token(client, user) for user in ("root", "alice")}


def _token(client: Client, user: str) -> str:
    request = pb.AuthenticateRequest(name=user, password=SECRET)
    return str(client.auth.Authenticate(request).token)


def test_nothing_secret_is_in_any_file_nor_in_the_log(transport: Transport, tmp_path: Path) -> None:
    path, log = tmp_path / "audit.log", tmp_path / "server.log"
    args = [
        f"--audit-log={path}",
        '--audit-log-rotation-config-json={"maxsize": 1, "compress": true}',
        "--log-level=debug",
        f"--log-outputs=stderr,{log}",
        "--warning-apply-duration=1ns",
        "--warning-unary-request-duration=1ns",
    ]
    with etcdpy_server(transport, args) as server:
        with closing(Client(server.address)) as client:
            tokens = _with_users(client)
            metadata = [("token", tokens["alice"])]
            # In a few of which a file is full.
            puts = [
                pb.PutRequest(key=b"a%03d" % n + b"x" * 900, value=SECRETS[0]) for n in range(40)
            ]
            txn = pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts])
            for _ in range(40):
                client.kv.Txn(txn, metadata=metadata)
            client.kv.Put(puts[0], metadata=metadata)
            for token in (SECRET, tokens["root"]):
                empty = pb.PutRequest(key=b"", value=SECRETS[0])
                with pytest.raises(grpc.RpcError):
                    client.kv.Put(empty, metadata=[("token", token)])
            wrong = pb.AuthenticateRequest(name="alice", password=f"{SECRET}!")
            with pytest.raises(grpc.RpcError):
                client.auth.Authenticate(wrong)
            change = pb.AuthUserChangePasswordRequest(name="alice", password=f"{SECRET}!")
            client.auth.UserChangePassword(change, metadata=[("token", tokens["root"])])
        server.stop()
    audit = [path.read_bytes()]
    audit += [gzip.decompress(file.read_bytes()) for file in tmp_path.glob("audit-*.log.gz")]
    assert len(audit) > 1
    assert sum(data.count(b'"code":"OK"') for data in audit) > 40
    for data in (*audit, log.read_bytes()):
        assert [
            text for text in (*SECRETS, *map(str.encode, tokens.values())) if text in data
        ] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing/audit.log", "no such file or directory"), (".", "is not a regular file")],
)
def test_server_does_not_start_without_its_audit_log(
    tmp_path: Path, name: str, reason: str
) -> None:
    path = tmp_path / name
    end = run("--data-dir", tmp_path / "d", f"--audit-log={path}", *PORT_0)
    assert end.status == 1
    assert end.lines[-1]["level"] == "fatal"
    assert "--audit-log: " in end.lines[-1]["error"]
    assert reason in end.lines[-1]["error"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    with mounted(path, 64 << 10) as disk:
        yield disk


def _put_until_refused(address: str) -> int:
    """Return how many writes were acknowledged, which are some thousand at the most."""
    with closing(Client(address)) as client:
        for done in range(2000):
            try:
                client.kv.Put(pb.PutRequest(key=b"%04d" % done + b"x" * 500))
            except grpc.RpcError:
                return done
    return 2000


def test_server_ends_rather_than_change_what_it_cannot_audit(
    tmp_path: Path, small_disk: Path
) -> None:
    path = small_disk / "audit.log"
    flags = (f"--audit-log={path}", "--audit-log-sync", "--data-dir", tmp_path / "d", *PORT_0)
    with Process(*flags) as server:
        (address,) = server.wait_ready()
        done = _put_until_refused(address)
        assert server.wait() == 1
        reason = server.find("cannot write to the store")["error"]
        assert reason == "cannot write the audit log: no space left on device"
    told = path.read_text().count('"op":"put"')
    assert 10 < done <= told
    # What was refused is not in the store either.
    with Process("--data-dir", tmp_path / "d", *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            assert client.kv.Range(pb.RangeRequest(key=b"x")).header.revision <= told + 1


def test_server_goes_on_without_the_lines_that_there_is_no_room_for(
    tmp_path: Path, small_disk: Path
) -> None:
    flags = (f"--audit-log={small_disk}/audit.log", "--data-dir", tmp_path / "d", *PORT_0)
    with Process(*flags) as server:
        (address,) = server.wait_ready()
        assert _put_until_refused(address) == 2000
        line = server.wait_line("cannot write the audit log")
        assert line["error"] == "no space left on device"
