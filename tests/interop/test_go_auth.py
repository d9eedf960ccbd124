"""etcd's own Go client with users: passwords, tokens that end, and certificates.

The tests are in ``go/auth_*_test.go``; each switches authentication on and off again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop import auth_house, go_client
from tests.interop.auth_house import BCRYPT, secured
from tests.interop.conftest import reachable, start
from tests.support.certificates import Authority
from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("go_program")

#: Seconds that a token lives: a simple one without being used, a signed one in any case.
LONG, SHORT = 300, 3

KINDS = [(kind, tokens) for tokens in ("simple", "jwt") for kind in ("etcdpy", "etcd")]


@dataclass(frozen=True)
class Told:
    """A server, and what the tests are told of it."""

    endpoint: str
    variables: dict[str, str]


@contextmanager
def serving(kind: str, tokens: str, ttl: int, directory: Path) -> Iterator[Told]:
    """Run a server with tokens of that type that live that long."""
    key = directory / "key"
    key.write_bytes(b"a key of thirty-two bytes or more" * 2)
    flags = {
        "simple": (f"--auth-token-ttl={ttl}",),
        "jwt": (f"--auth-token=jwt,sign-method=HS256,priv-key={key},ttl={ttl}s",),
    }[tokens]
    with start(kind, *reachable(), BCRYPT, *flags) as server:
        _be_new_enough(server)
        variables = {"ETCD_TOKEN_TTL": str(ttl), "ETCD_TOKENS": tokens}
        yield Told(f"http://{server.address}", variables)


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    kind, tokens = request.param
    with serving(kind, tokens, LONG, tmp_path_factory.mktemp("tokens")) as it:
        yield it


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def told_of_short_lives(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    kind, tokens = request.param
    with serving(kind, tokens, SHORT, tmp_path_factory.mktemp("tokens")) as it:
        yield it


def _be_new_enough(server: Server) -> None:
    if auth_house.version_of(server) < auth_house.SAME_RIGHTS:
        pytest.skip("an etcd that asks its callers less")


@pytest.mark.parametrize("name", go_client.session_names())
def test_go_client(told: Told, name: str) -> None:
    go_client.run(name, told.endpoint, told.variables)


@pytest.mark.parametrize("name", go_client.expiry_names())
def test_go_client_outlives_its_tokens(told_of_short_lives: Told, name: str) -> None:
    go_client.run(name, told_of_short_lives.endpoint, told_of_short_lives.variables)


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def certified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    authority = Authority.make(tmp_path_factory.mktemp("certified"))
    alice, root = authority.client("alice"), authority.client("root")
    files: dict[str, Path] = {
        "ETCD_CACERT": authority.path,
        "ETCD_CERT": alice.certificate,
        "ETCD_KEY": alice.key,
        "ETCD_OTHER_CERT": root.certificate,
        "ETCD_OTHER_KEY": root.key,
    }
    variables = {name: str(path) for name, path in files.items()}
    with start(request.param, *secured(authority), BCRYPT) as server:
        yield Told(f"https://{server.address}", {**variables, "ETCD_TOKENS": "simple"})


@pytest.mark.parametrize("name", go_client.certificate_names())
def test_go_client_with_a_certificate(certified: Told, name: str) -> None:
    go_client.run(name, certified.endpoint, certified.variables)
