"""How long a login takes does not tell whether there is such a user.

etcd answers at once where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import auth_world as world
from tests.conformance.conftest import SUBJECTS, subject_server
from tests.conformance.peers import Peer

# So that hashing is most of what takes time: some 25 ms each.
COST = "--bcrypt-cost=9"

# The quickest of so many is what it takes on a machine that has nothing else to do.
TRIES = 15


@pytest.fixture(params=SUBJECTS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with subject_server(request.param, [COST]) as server:
        peer = Peer(server.address)
        yield peer
        peer.close()


def test_time_does_not_tell_whether_there_is_such_a_user(peer: Peer) -> None:
    world.add_user(peer, "root", "root")
    world.enable(peer)
    users = ("root", "nobody")
    times: dict[str, list[float]] = {user: [] for user in users}
    for _ in range(TRIES):
        # In turns: what else the machine does, it does to both.
        for user in users:
            began = perf_counter()
            request = pb.AuthenticateRequest(name=user, password="wrong")
            assert world.ask(peer, "Auth/Authenticate", request).error == (
                "INVALID_ARGUMENT",
                "etcdserver: authentication failed, invalid user ID or password",
            )
            times[user].append(perf_counter() - began)
    ratio = min(times["nobody"]) / min(times["root"])
    # Without hashing, it is a hundredth.
    assert 1 / 4 < ratio < 4, ratio
