"""``etcdpy snapshot save`` of servers that ask who calls, with passwords and certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.snapshot.stores import done, etcdpy
from tests.support.certificates import Authority, Pair
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server

BCRYPT = "--bcrypt-cost=4"


def _settle_in(client: Client) -> None:
    """Have ``root`` and ``bob`` with passwords, ``backup``, who is root's equal, and ``alice``."""
    auth = client.auth
    auth.UserAdd(pb.AuthUserAddRequest(name="root", password="pw:d"), timeout=60)
    for name in ("backup", "alice"):
        options = auth_pb2.UserAddOptions(no_password=True)
        auth.UserAdd(pb.AuthUserAddRequest(name=name, options=options))
    auth.UserAdd(pb.AuthUserAddRequest(name="bob", password="b"))
    for name in ("root", "backup"):
        auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=name, role="root"))
    client.kv.Put(pb.PutRequest(key=b"k", value=b"v"))


@dataclass(frozen=True)
class Secured:
    server: Server
    authority: Authority

    def flags(self, pair: Pair) -> list[str]:
        return [
            *("--endpoints", f"https://{self.server.address}"),
            *("--cacert", str(self.authority.path)),
            *("--cert", str(pair.certificate)),
            *("--key", str(pair.key)),
        ]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with etcdpy_server(args=[BCRYPT]) as running:
        with closing(Client(running.address)) as client:
            _settle_in(client)
            client.auth.AuthEnable(pb.AuthEnableRequest())
        yield running


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    authority = Authority.make(tmp_path_factory.mktemp("save-tls"))
    pair = authority.server()
    flags = [
        "--listen-client-urls=https://127.0.0.1:0",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority.path}",
        "--client-cert-auth",
        BCRYPT,
    ]
    with etcdpy_server(args=flags) as running:
        credentials = authority.credentials(authority.client("setup"))
        with closing(Client(running.address, credentials=credentials)) as client:
            _settle_in(client)
            client.auth.AuthEnable(pb.AuthEnableRequest())
        yield Secured(running, authority)


def saved(path: Path, *flags: str) -> None:
    assert f"Snapshot saved at {path}" in done(etcdpy("save", path, *flags))
    assert path.exists()
    counted = done(etcdpy("status", path, "-w", "json"))
    assert '"revision":2' in counted


def refused(path: Path, *flags: str) -> str:
    """Return what is said, and check that nothing is left."""
    ended = etcdpy("save", path, *flags)
    assert ended.returncode == 1
    assert list(path.parent.iterdir()) == []
    return ended.stderr


@pytest.mark.parametrize(
    "login", [["--user", "root:pw:d"], ["--user=root", "--password=pw:d"]], ids=" ".join
)
def test_root_saves(tmp_path: Path, server: Server, login: list[str]) -> None:
    saved(tmp_path / "file.db", "--endpoints", server.address, *login)


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ([], "etcdserver: user name is empty"),
        (["--user=bob:b"], "etcdserver: permission denied"),
        (["--user=bob:wrong"], "etcdserver: authentication failed, invalid user ID or password"),
        (["--user=alice:"], "password was given for no password user"),
    ],
)
def test_nobody_else_does(tmp_path: Path, server: Server, login: list[str], told: str) -> None:
    assert told in refused(tmp_path / "file.db", "--endpoints", server.address, *login)


def test_who_has_a_certificate_of_a_root_saves(tmp_path: Path, secured: Secured) -> None:
    saved(tmp_path / "file.db", *secured.flags(secured.authority.client("backup")))


def test_who_has_a_certificate_of_another_does_not(tmp_path: Path, secured: Secured) -> None:
    flags = secured.flags(secured.authority.client("alice"))
    assert "etcdserver: permission denied" in refused(tmp_path / "file.db", *flags)


def test_a_password_wins_over_the_certificate(tmp_path: Path, secured: Secured) -> None:
    flags = secured.flags(secured.authority.client("alice"))
    saved(tmp_path / "file.db", *flags, "--user=root:pw:d")


def test_who_has_no_certificate_is_not_let_in(tmp_path: Path, secured: Secured) -> None:
    words = secured.flags(secured.authority.client("alice"))[:4]
    assert "UNAVAILABLE" in refused(tmp_path / "file.db", *words, "--user=root:pw:d")


def test_a_user_is_no_mistake_where_nobody_has_to_log_in(tmp_path: Path) -> None:
    with etcdpy_server() as open_to_all:
        with closing(Client(open_to_all.address)) as client:
            client.kv.Put(pb.PutRequest(key=b"k", value=b"v"))
        saved(tmp_path / "file.db", "--endpoints", open_to_all.address, "--user=root:pw:d")
