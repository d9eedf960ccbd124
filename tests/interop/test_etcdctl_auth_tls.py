"""etcdctl over TLS: who has a certificate is the user whose name is on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop import auth_house
from tests.interop.auth_house import BCRYPT, Root, settle_in
from tests.interop.conftest import start
from tests.interop.etcdctl import Etcdctl
from tests.support.certificates import Authority, Pair
from tests.support.servers import Server

DENIED = "etcdserver: permission denied"


@dataclass(frozen=True)
class Secured:
    """
    A server that asks its clients for certificates, with users.

    Attributes:
        shown: What etcdctl is run with for whoever has a certificate of that name.

    """

    server: Server
    authority: Authority
    root: Pair
    shown: dict[str, Etcdctl]


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def secured(
    request: pytest.FixtureRequest, etcdctl: Etcdctl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    authority = Authority.make(tmp_path_factory.mktemp("auth-tls"))
    certificates = {name: authority.client(name) for name in ("root", "alice", "stranger")}
    certificates["nobody"] = authority.client(None, file="client-nobody")
    shown = {
        name: etcdctl.with_flags(*_certificate(authority.path, certificate))
        for name, certificate in certificates.items()
    }
    with start(request.param, *auth_house.secured(authority), BCRYPT) as server:
        settle_in(
            shown["alice"],
            server,
            "user add alice --no-password",
            "user add bob:b",
            "role add part",
            "role grant-permission part readwrite a/ --prefix=true",
            "user grant-role alice part",
            "role add other",
            "role grant-permission other readwrite b/ --prefix=true",
            "user grant-role bob other",
        )
        yield Secured(server, authority, certificates["root"], shown)


def _certificate(authority: Path, pair: Pair) -> tuple[str, ...]:
    return (f"--cacert={authority}", f"--cert={pair.certificate}", f"--key={pair.key}")


def answered(secured: Secured, who: str, line: str) -> str:
    done = secured.shown[who].run(secured.server, line)
    assert done.status == 0, (who, line, done)
    return done.stdout


def refused(secured: Secured, who: str, line: str) -> str:
    done = secured.shown[who].run(secured.server, line)
    assert done.status != 0, (who, line, done)
    return done.stderr


def test_the_common_name_is_the_user(secured: Secured) -> None:
    assert answered(secured, "alice", "put a/1 v") == "OK\n"
    assert answered(secured, "alice", "get a/1") == "a/1\nv\n"
    assert DENIED in refused(secured, "alice", "get b/1")
    assert "Roles: part" in answered(secured, "alice", "user get alice")
    assert answered(secured, "root", "user list") == "alice\nbob\nroot\n"


def test_a_password_wins_over_the_certificate(secured: Secured) -> None:
    assert answered(secured, "alice", "--user=bob:b put b/1 v") == "OK\n"
    assert DENIED in refused(secured, "alice", "--user=bob:b get a/1")
    assert DENIED in refused(secured, "root", "--user=bob:b user list")


def test_a_wrong_password_is_not_forgiven_for_a_certificate(secured: Secured) -> None:
    wrong = "etcdserver: authentication failed, invalid user ID or password"
    assert wrong in refused(secured, "alice", "--user=bob:wrong get a/1")
    none = "password was given for no password user"
    assert none in refused(secured, "alice", "--user=alice:x get a/1")


def test_a_name_that_is_no_users_may_nothing_with_keys(secured: Secured) -> None:
    assert DENIED in refused(secured, "stranger", "get a/1")
    assert answered(secured, "stranger", "member list")


def test_a_certificate_without_a_name_is_nobodys(secured: Secured) -> None:
    assert DENIED in refused(secured, "nobody", "get a/1")


def test_rights_change_under_a_certificate(secured: Secured) -> None:
    answered(secured, "root", "role add late")
    answered(secured, "root", "role grant-permission late read late")
    assert DENIED in refused(secured, "alice", "get late")
    answered(secured, "root", "user grant-role alice late")
    assert answered(secured, "alice", "get late") == ""
    answered(secured, "root", "role delete late")
    assert DENIED in refused(secured, "alice", "get late")


def test_grpcio_logs_in_over_tls(secured: Secured) -> None:
    credentials = secured.authority.credentials(secured.root)
    with closing(Root(secured.server.address, credentials)) as root:
        assert root.reset()["r2"]
