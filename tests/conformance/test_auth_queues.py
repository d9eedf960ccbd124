"""Locks and elections while authentication is on, and of those who lose their rights meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from tests.conformance import auth_world as world
from tests.conformance.auth_world import BARE, READ, READWRITE, SPARE, Metadata
from tests.conformance.conftest import StartPair
from tests.conformance.locking import METHODS, OBSERVE, Pending, key_of, wait_for
from tests.conformance.messages import delete, get, put
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Outcome, Peer

DENIED = ("UNKNOWN", "etcdserver: permission denied")
NAMELESS = ("UNKNOWN", "etcdserver: user name is empty")
BAD_TOKEN = ("UNKNOWN", "etcdserver: invalid auth token")
# What etcd says where the rights are gone after its look at the queue and before its watch.
LOST = ("UNKNOWN", "lost watcher waiting for delete")

NAME = b"q"


class House:
    """Users and leases on one server; tests do the same in two houses and compare."""

    def __init__(self, peer: Peer, watchers: Callable[[], int] | None = None) -> None:
        self.peer = peer
        # How many watch on it, if that is how one waits there.
        self._watchers = watchers
        world.settle_in(peer)
        world.enable(peer)
        self.root = world.login(peer, "root")
        world.add_role(peer, "queues", who=self.root)
        world.add_user(peer, "waiter", "queues", who=self.root)
        self.waiter = world.login(peer, "waiter")

    def reset(self) -> None:
        """Empty the queue, and give the waiter the rights it needs."""
        self._wait_for_watchers(0)
        world.reset(self.peer, self.root)
        self.revoke()
        self.permit(READWRITE, b"q/", b"q0")

    def permit(self, kind: int, key: bytes, end: bytes = b"") -> None:
        world.grant(self.peer, "queues", kind, key, end, who=self.root)

    def revoke(self) -> None:
        """Take all rights from the waiter."""
        asked = pb.AuthRoleGetRequest(role="queues")
        for granted in world.do(self.peer, "Auth/RoleGet", asked, self.root).perm:
            request = pb.AuthRoleRevokePermissionRequest(
                role="queues", key=granted.key, range_end=granted.range_end
            )
            world.do(self.peer, "Auth/RoleRevokePermission", request, self.root)

    def put(self, key: bytes, value: bytes = b"", lease: int = 0) -> None:
        world.do(self.peer, "KV/Put", put(key, value, lease=lease), self.root)

    def delete(self, key: bytes) -> None:
        world.do(self.peer, "KV/DeleteRange", delete(key), self.root)

    def has(self, key: bytes) -> bool:
        return bool(world.do(self.peer, "KV/Range", get(key), self.root).kvs)

    def wait_until_it_waits(self) -> None:
        """Wait until the waiter is in the queue, and has seen who is before it."""
        wait_for(lambda: self.has(key_of(NAME, BARE)), "it waits")
        self._wait_for_watchers(1)

    def _wait_for_watchers(self, number: int) -> None:
        watchers = self._watchers
        if watchers is not None:
            wait_for(lambda: watchers() == number, f"{number} watch")

    def ask(self, request: Any, who: Metadata) -> Outcome:
        return self.peer.send(Call(METHODS[type(request)], request, who))

    def begin(self, request: Any, who: Metadata) -> Pending:
        method = OBSERVE if isinstance(request, elect.LeaderRequest) else METHODS[type(request)]
        return Pending(self.peer, Call(method, request, who))


# Does something in both houses: see ``both``.
Both = Callable[..., Any]


@pytest.fixture(scope="module")
def pair(start_pair: StartPair) -> Iterator[tuple[Pair, tuple[House, House]]]:
    with start_pair([world.BCRYPT]) as pair:
        subject, reference = pair.peers
        yield pair, (House(subject), House(reference, pair.watchers_of_etcd))


@pytest.fixture
def both(pair: tuple[Pair, tuple[House, House]]) -> Both:
    """Return what does something in both houses, and returns what came of it in each, alike."""
    _, houses = pair
    for house in houses:
        house.reset()

    def do(action: Callable[[House], Any], or_in_etcd: Any = None) -> Any:
        got, expected = map(action, houses)
        assert expected == got or (or_in_etcd is not None and expected == or_in_etcd)
        return got

    return do


# ------------------------------------------------------------- without rights


@pytest.mark.parametrize(
    "request_",
    [
        lock.LockRequest(name=b"x", lease=BARE),
        lock.LockRequest(name=b"x"),
        lock.UnlockRequest(key=b"x"),
        elect.CampaignRequest(name=b"x", lease=BARE, value=b"mine"),
        elect.ProclaimRequest(leader=elect.LeaderKey(name=b"x", key=b"x", lease=BARE, rev=3)),
        elect.ResignRequest(leader=elect.LeaderKey(name=b"x", key=b"x", lease=BARE, rev=3)),
        elect.LeaderRequest(name=b"x"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_who_has_no_rights_changes_nothing_and_learns_nothing(both: Both, request_: Any) -> None:
    def do(house: House) -> list[Any]:
        house.put(b"x/1", b"secret")
        before = world.do(house.peer, "KV/Range", get(b"x", b"y"), house.root).kvs
        errors = [house.ask(request_, who).error for who in (house.waiter, (), world.token("bad"))]
        after = world.do(house.peer, "KV/Range", get(b"x", b"y"), house.root).kvs
        return [errors, before == after]

    assert both(do) == [[DENIED, NAMELESS, BAD_TOKEN], True]


@pytest.mark.parametrize("is_known", [True, False])
def test_observer_without_rights_is_told_nothing(both: Both, is_known: bool) -> None:
    def do(house: House) -> Outcome:
        house.put(b"x/1", b"secret")
        who = house.waiter if is_known else ()
        return house.begin(elect.LeaderRequest(name=b"x"), who).outcome()

    outcome = both(do)
    assert (outcome.error, outcome.payloads) == (None, ())


@pytest.mark.parametrize("kind", [READ, world.WRITE])
def test_lock_takes_the_right_to_read_and_to_write(both: Both, kind: int) -> None:
    def do(house: House) -> Any:
        house.revoke()
        house.permit(kind, b"q/", b"q0")
        error = house.ask(lock.LockRequest(name=NAME, lease=BARE), house.waiter).error
        return error, house.has(key_of(NAME, BARE))

    assert both(do) == (DENIED, False)


def test_lock_takes_rights_for_the_whole_queue(both: Both) -> None:
    def do(house: House) -> Any:
        house.revoke()
        house.permit(READWRITE, key_of(NAME, BARE))
        error = house.ask(lock.LockRequest(name=NAME, lease=BARE), house.waiter).error
        return error, house.has(key_of(NAME, BARE))

    assert both(do) == (DENIED, False)


def test_candidate_with_rights_for_its_own_key_alone_stays_in_the_queue_unheard(
    both: Both,
) -> None:
    def do(house: House) -> Any:
        house.revoke()
        house.permit(READWRITE, key_of(NAME, BARE))
        request = elect.CampaignRequest(name=NAME, lease=BARE, value=b"mine")
        return house.ask(request, house.waiter).error, house.has(key_of(NAME, BARE))

    assert both(do) == (DENIED, True)


# --------------------------------------------------------- losing one's rights


def _holder(house: House) -> bytes:
    """Have somebody else hold the lock, or lead."""
    key = key_of(NAME, SPARE)
    house.put(key, b"theirs", lease=SPARE)
    return key


@pytest.mark.parametrize(
    "request_",
    [
        lock.LockRequest(name=NAME, lease=BARE),
        elect.CampaignRequest(name=NAME, lease=BARE, value=b"mine"),
    ],
    ids=["Lock", "Campaign"],
)
def test_who_loses_its_rights_while_it_waits_does_not_get_its_turn(
    both: Both, request_: Any
) -> None:
    def do(house: House) -> Any:
        holder = _holder(house)
        waiting = house.begin(request_, house.waiter)
        house.wait_until_it_waits()
        house.revoke()
        house.delete(holder)
        return waiting.outcome().error, house.has(key_of(NAME, BARE))

    assert both(do, (LOST, True)) == (DENIED, True)


@pytest.mark.parametrize(
    "request_",
    [
        lock.LockRequest(name=NAME, lease=BARE),
        elect.CampaignRequest(name=NAME, lease=BARE, value=b"mine"),
    ],
    ids=["Lock", "Campaign"],
)
def test_who_is_deleted_while_it_waits_does_not_get_its_turn(both: Both, request_: Any) -> None:
    def do(house: House) -> Any:
        world.add_user(house.peer, "leaving", "queues", who=house.root)
        leaving = world.login(house.peer, "leaving")
        holder = _holder(house)
        waiting = house.begin(request_, leaving)
        house.wait_until_it_waits()
        request = pb.AuthUserDeleteRequest(name="leaving")
        world.do(house.peer, "Auth/UserDelete", request, house.root)
        house.delete(holder)
        return waiting.outcome().error

    assert both(do, LOST) == BAD_TOKEN


def test_who_keeps_its_rights_gets_its_turn(both: Both) -> None:
    def do(house: House) -> Any:
        holder = _holder(house)
        waiting = house.begin(lock.LockRequest(name=NAME, lease=BARE), house.waiter)
        house.wait_until_it_waits()
        house.permit(READ, b"something else")
        house.delete(holder)
        return waiting.outcome().error

    assert both(do) is None


def test_observer_that_loses_its_rights_is_told_of_this_leader_to_its_end(both: Both) -> None:
    def do(house: House) -> Any:
        holder = _holder(house)
        observer = house.begin(elect.LeaderRequest(name=NAME), house.waiter)
        told = [_value(observer.take())]
        house.put(holder, b"second", lease=SPARE)
        told.append(_value(observer.take()))
        house.revoke()
        house.put(holder, b"third", lease=SPARE)
        told.append(_value(observer.take()))
        house.put(key_of(NAME, BARE), b"another's", lease=BARE)
        house.delete(holder)
        outcome = observer.outcome()
        return told, outcome.error, len(outcome.payloads)

    assert both(do) == ([b"theirs", b"second", b"third"], None, 3)


def test_observer_that_waits_for_a_leader_is_told_of_one_and_then_no_more(both: Both) -> None:
    def do(house: House) -> Any:
        # It has been told of a first leader, so it is known to wait for the next.
        holder = _holder(house)
        observer = house.begin(elect.LeaderRequest(name=NAME), house.waiter)
        told = [_value(observer.take())]
        house.delete(holder)
        house.put(b"q/other", b"next")
        told.append(_value(observer.take()))
        house.revoke()
        house.delete(b"q/other")
        outcome = observer.outcome()
        return told, outcome.error, len(outcome.payloads)

    assert both(do) == ([b"theirs", b"next"], None, 2)


def _value(payload: bytes) -> bytes:
    value: bytes = elect.LeaderResponse.FromString(payload).kv.value
    return value
