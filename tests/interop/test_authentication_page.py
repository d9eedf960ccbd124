"""What docs/authentication.md has its reader do, done."""

from __future__ import annotations

import shutil
from base64 import b64encode
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
    f" --advertise-client-urls http://{ADDRESS} --bcrypt-cost 4"
)
FIRST, OVER_HTTP = "First steps", "Over HTTP"
CERTIFICATES, LOST = "Certificates as users", "Root's password is lost"
SECTIONS = [FIRST, OVER_HTTP, CERTIFICATES, LOST]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with Play(SECTIONS, tmp_path, PAGE) as scene:
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


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="there is no curl, or no openssl"
)
def test_the_commands_of_the_page(play: Play) -> None:
    *_, put, found = play.step()
    assert (put, found) == ("OK\n", "team/greeting\nhello\n")
    assert login(play, "alice", "wonderland") == "in"
    (found,) = play.step()
    assert b64encode(b"hello").decode() in found
    play.step()
    assert login(play, "bob", "").endswith("password was given for no password user")
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
    assert [title for title, blocks in sections(PAGE).items() if blocks] == SECTIONS
