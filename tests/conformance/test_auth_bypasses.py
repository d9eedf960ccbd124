"""Ways around the guard that there were in etcd, or could be: none leads to anybody else's key.

These look at etcdpy alone, over the wire and on both transports. Nothing that any caller is sent
may have what is hidden in it, whatever the call comes to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import auth_world as world
from tests.conformance.auth_calls import ENDLESS, LAST, calls
from tests.conformance.auth_world import METHODS, ROOTS, WRITERS, Metadata
from tests.conformance.conftest import SUBJECTS, subject_server
from tests.conformance.messages import ALL, compare, delete, get, put, txn
from tests.conformance.peers import CALL_TIMEOUT, Peer

# Of a key that only root may read, which has it as a part of its name too.
HIDDEN = b"x-marks-the-spot"
DENIED = ("PERMISSION_DENIED", "etcdserver: permission denied")


class House:
    """A server with the users of ``auth_world``, and a hidden key with a lease."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        world.settle_in(peer)
        world.enable(peer)
        self.root = world.login(peer, "root")
        self.callers = {
            "nobody": world.NOBODY,
            "unknown": world.token("unknown"),
            **{user: world.login(peer, user) for user in ("bare", "reader", "writer", "both")},
        }

    def reset(self) -> None:
        world.reset(self.peer, self.root)
        self.put(HIDDEN, HIDDEN, ROOTS)

    def put(self, key: bytes, value: bytes = b"", lease: int = 0) -> None:
        world.do(self.peer, "KV/Put", put(key, value, lease=lease), self.root)

    def stored(self) -> list[Any]:
        """Return all keys, as root sees them."""
        return list(world.do(self.peer, "KV/Range", get(ALL, ALL), self.root).kvs)

    def error(self, method: str, request: Any, who: str) -> tuple[str, str] | None:
        return world.ask(self.peer, method, request, self.callers[who]).error

    def watch(self, *creates: pb.WatchCreateRequest, who: str) -> Watching:
        return Watching(self.peer, creates, self.callers[who])


class Watching:
    """A stream with some watches, read for as long as the test wants."""

    def __init__(
        self, peer: Peer, creates: tuple[pb.WatchCreateRequest, ...], who: Metadata
    ) -> None:
        self._done = threading.Event()
        self._call = peer.stream(
            METHODS["Watch/Watch"], self._requests(creates), CALL_TIMEOUT, who or None
        )
        self._responses = map(pb.WatchResponse.FromString, self._call)

    def _requests(self, creates: tuple[pb.WatchCreateRequest, ...]) -> Iterator[bytes]:
        for create in creates:
            yield pb.WatchRequest(create_request=create).SerializeToString()
        self._done.wait(CALL_TIMEOUT)

    def take(self) -> pb.WatchResponse:
        return next(self._responses)

    def close(self) -> None:
        self._done.set()
        self._call.cancel()


@pytest.fixture(scope="module", params=SUBJECTS)
def opened(request: pytest.FixtureRequest) -> Iterator[House]:
    with subject_server(request.param, [world.BCRYPT]) as server:
        peer = Peer(server.address)
        yield House(peer)
        peer.close()


@pytest.fixture
def house(opened: House) -> House:
    opened.reset()
    return opened


# ------------------------------------------------------------- everything at once


@pytest.mark.parametrize("who", ["nobody", "unknown", "bare", "reader", "writer", "both"])
def test_nothing_hidden_is_in_any_reply_to_any_call(house: House, who: str) -> None:
    """Every method is asked as in the matrix, for the hidden key as well."""
    hidden = [
        ("KV/Range", get(HIDDEN)),
        ("KV/RangeStream", get(HIDDEN)),
        ("KV/DeleteRange", delete(HIDDEN, prev_kv=True)),
        ("KV/Put", put(HIDDEN, prev_kv=True)),
        ("KV/Txn", txn(get(HIDDEN))),
        ("KV/Txn", txn(put(b"a"), get(HIDDEN))),
        ("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=ROOTS, keys=True)),
    ]
    before = [kv for kv in house.stored() if kv.key >= b"d"]
    for method, request in [*calls(), *hidden]:
        if method not in LAST:
            for payload in _replies(house, method, request, who):
                assert HIDDEN not in payload, (method, request)
    assert [kv for kv in house.stored() if kv.key >= b"d"] == before


def _replies(house: House, method: str, request: Any, who: str) -> list[bytes]:
    payload = request.SerializeToString()
    call = house.peer.begin(METHODS[method], payload, CALL_TIMEOUT, house.callers[who] or None)
    replies: list[bytes] = []
    with suppress(grpc.RpcError):
        for reply in call:
            replies.append(reply)
            if method in ENDLESS:
                call.cancel()
                break
    return replies


# ----------------------------------------------------------------- transactions


@pytest.mark.parametrize("who", ["nobody", "bare", "reader", "writer", "both"])
@pytest.mark.parametrize(
    "op",
    [
        get(HIDDEN),
        get(b"a", ALL),
        put(HIDDEN),
        put(b"a", lease=ROOTS),
        delete(HIDDEN),
        delete(b"a", ALL),
    ],
    ids=str,
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_transaction_hides_no_operation_however_deep(
    house: House, who: str, op: Any, depth: int
) -> None:
    before = house.stored()
    for is_taken in (True, False):
        request = txn(op) if is_taken else txn(otherwise=[op])
        for _ in range(depth):
            # Beside something that the caller may do, in a branch that is taken or not.
            request = txn(request) if is_taken else txn(put(b"a"), otherwise=[request])
        assert house.error("KV/Txn", request, who) is not None
    assert house.stored() == before


@pytest.mark.parametrize(
    "when",
    [
        compare(HIDDEN, "VALUE", "EQUAL", value=HIDDEN),
        compare(HIDDEN, "VERSION", "GREATER", version=0),
        compare(HIDDEN, "LEASE", "EQUAL", lease=ROOTS),
        compare(b"a", "MOD", "GREATER", ALL, mod_revision=0),
        compare(b"a", "CREATE", "GREATER", b"y", create_revision=0),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_compare_of_a_hidden_key_tells_nothing(
    house: House, when: pb.Compare, is_nested: bool
) -> None:
    request = txn(get(b"a"), when=[when])
    if is_nested:
        request = txn(request)
    for who in ("reader", "both"):
        assert house.error("KV/Txn", request, who) == DENIED


@pytest.mark.parametrize(
    "request_",
    [put(b"a", prev_kv=True), delete(b"a", prev_kv=True), delete(b"a", b"d", prev_kv=True)],
    ids=str,
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_writer_does_not_read_by_asking_for_the_previous_value(
    house: House, request_: Any, depth: int
) -> None:
    before = house.stored()
    request = txn(request_)
    for _ in range(depth):
        request = txn(request)
    method = "KV/Put" if isinstance(request_, pb.PutRequest) else "KV/DeleteRange"
    assert house.error(method, request_, "writer") == DENIED
    assert house.error("KV/Txn", request, "writer") == DENIED
    assert house.stored() == before
    assert house.error("KV/Txn", request, "both") is None


# ----------------------------------------------------------------------- leases


def test_key_is_not_hung_on_a_lease_that_would_take_a_hidden_one_with_it(house: House) -> None:
    for request in (txn(put(b"a", lease=ROOTS)), txn(txn(txn(put(b"a", lease=ROOTS))))):
        assert house.error("KV/Txn", request, "writer") == DENIED
    assert house.error("KV/Put", put(b"a", lease=ROOTS), "writer") == DENIED
    assert house.error("KV/Put", put(b"a", lease=WRITERS), "writer") is None


@pytest.mark.parametrize("who", ["nobody", "unknown", "bare", "reader", "writer", "both"])
def test_lease_of_a_hidden_key_is_not_kept_alive_ended_or_shown(house: House, who: str) -> None:
    for method, request in (
        ("Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest(ID=ROOTS)),
        ("Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=ROOTS)),
        ("Lease/LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=ROOTS, keys=True)),
        ("Lease/LeaseLeases", pb.LeaseLeasesRequest()),
    ):
        assert house.error(method, request, who) is not None
    assert house.stored()[-1].key == HIDDEN


def test_keepalive_is_asked_for_each_message_of_a_stream(house: House) -> None:
    def requests() -> Iterator[bytes]:
        for lease in (WRITERS, ROOTS, WRITERS):
            yield pb.LeaseKeepAliveRequest(ID=lease).SerializeToString()

    method = METHODS["Lease/LeaseKeepAlive"]
    call = house.peer.stream(method, requests(), CALL_TIMEOUT, house.callers["writer"])
    assert pb.LeaseKeepAliveResponse.FromString(next(call)).ID == WRITERS
    with pytest.raises(grpc.RpcError):
        next(call)
    assert (call.code().name, call.details()) == DENIED


# ---------------------------------------------------------------------- members


@pytest.mark.parametrize("who", ["nobody", "unknown"])
def test_members_and_status_are_not_shown_to_strangers(house: House, who: str) -> None:
    for method, request in (
        ("Cluster/MemberList", pb.MemberListRequest()),
        ("Cluster/MemberList", pb.MemberListRequest(linearizable=True)),
        ("Maintenance/Status", pb.StatusRequest()),
        ("Maintenance/Alarm", pb.AlarmRequest()),
    ):
        assert house.error(method, request, who) is not None


# ---------------------------------------------------------------------- watches


@pytest.mark.parametrize(
    ("key", "end"),
    [(b"a", ALL), (b"c", ALL), (b"", ALL), (ALL, ALL), (b"a", b"y"), (b"", b""), (b"c", b"e")],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fragment": True},
        {"prev_kv": True},
        {"start_revision": 3},
        {"progress_notify": True},
        {"filters": [pb.WatchCreateRequest.NOPUT]},
    ],
    ids=str,
)
def test_watch_from_ones_own_key_on_does_not_show_others(
    house: House, key: bytes, end: bytes, options: dict[str, Any]
) -> None:
    create = pb.WatchCreateRequest(key=key, range_end=end, **options)
    own = pb.WatchCreateRequest(key=b"a", range_end=b"d", watch_id=9)
    watching = house.watch(create, own, who="reader")
    refused, created = watching.take(), watching.take()
    assert (refused.created, refused.canceled, refused.watch_id) == (True, True, -1)
    assert (created.created, created.canceled, created.watch_id) == (True, False, 9)
    house.put(HIDDEN, b"again")
    house.put(b"d", b"again")
    house.put(b"b", b"seen")
    seen = watching.take()
    watching.close()
    assert [(seen.watch_id, event.kv.key) for event in seen.events] == [(9, b"b")]


@pytest.mark.parametrize("fragment", [False, True])
def test_watch_shows_ones_own_part_of_a_transaction_alone(house: House, fragment: bool) -> None:
    create = pb.WatchCreateRequest(key=b"a", range_end=b"d", prev_kv=True, fragment=fragment)
    watching = house.watch(create, who="reader")
    assert watching.take().created
    both = txn(put(HIDDEN, b"again"), put(b"b", b"new"), put(b"d", b"new"), delete(b"c"))
    world.do(house.peer, "KV/Txn", both, house.root)
    events = watching.take().events
    watching.close()
    assert [event.kv.key for event in events] == [b"b", b"c"]
    assert [event.prev_kv.key for event in events] == [b"b", b"c"]


def test_watch_goes_on_after_its_rights_are_gone_and_no_other_begins(house: House) -> None:
    world.add_role(house.peer, "passing", (world.READ, b"p", b""), who=house.root)
    world.add_user(house.peer, "passing", "passing", who=house.root)
    house.callers["passing"] = world.login(house.peer, "passing")
    create = pb.WatchCreateRequest(key=b"p")
    watching = house.watch(create, who="passing")
    assert watching.take().created
    world.do(house.peer, "Auth/RoleDelete", pb.AuthRoleDeleteRequest(role="passing"), house.root)
    house.put(b"p", b"seen")
    assert [event.kv.value for event in watching.take().events] == [b"seen"]
    watching.close()
    refused = house.watch(create, who="passing")
    assert refused.take().canceled
    refused.close()
    world.do(house.peer, "Auth/UserDelete", pb.AuthUserDeleteRequest(name="passing"), house.root)
