"""What docs/authentication.md has its reader do, done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.interop import ROOT
from tests.interop.outgrowing import Play, sections
from tests.support.client import Client

PAGE = ROOT / "docs" / "authentication.md"
ADDRESS = "127.0.0.1:2379"
BEGIN = (
    f"etcdpy --data-dir default.etcd --listen-client-urls http://{ADDRESS}"
    f" --advertise-client-urls http://{ADDRESS}"
)
FIRST, CERTIFICATES, LOST = "First steps", "Certificates as users", "Root's password is lost"


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with Play([FIRST, CERTIFICATES, LOST], tmp_path, PAGE) as scene:
        # Where etcdctl looks if it is told nothing.
        scene.begin(f"export ETCDCTL_ENDPOINTS={ADDRESS}", machine="")
        scene.begin(BEGIN, machine="")
        scene.wait_until_served(ADDRESS)
        yield scene


def login(play: Play, user: str, password: str) -> str:
    """Return "in", or what a user is told instead."""
    with closing(Client(play.address(ADDRESS))) as client:
        request = pb.AuthenticateRequest(name=user, password=password)
        try:
            client.auth.Authenticate(request, timeout=30)
        except grpc.RpcError as error:
            refused: Any = error
            return str(refused.details())
        return "in"


def test_the_commands_of_the_page(play: Play) -> None:
    *_, put, found = play.step()
    assert (put, found) == ("OK\n", "team/greeting\nhello\n")
    assert login(play, "alice", "wonderland") == "in"
    play.step()
    assert login(play, "bob", "").endswith("password was given for no password user")
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on this machine")
    play.stop("etcdpy")
    play.step()
    play.wait_until_ready("")
    play.step()
    play.end()
    play.stop("etcdpy")
    play.begin(BEGIN, machine="")
    play.wait_until_served(ADDRESS)
    assert login(play, "root", "new-secret") == "in"
    assert "authentication failed" in login(play, "root", "secret")
    assert login(play, "alice", "wonderland") == "in"


def test_every_command_of_the_page_is_run() -> None:
    assert {title for title, blocks in sections(PAGE).items() if blocks} == {
        FIRST,
        CERTIFICATES,
        LOST,
    }
