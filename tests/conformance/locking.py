"""Lock and Election calls to both servers, which may wait there, and answer alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from tests.conformance.leasing import Leases
from tests.conformance.messages import get
from tests.conformance.pair import Pair
from tests.conformance.peers import CALL_TIMEOUT, Call, Method, Outcome, Peer

_LOCK, _ELECTION = "/v3lockpb.Lock/", "/v3electionpb.Election/"

METHODS: dict[type, Method] = {
    lock.LockRequest: Method(_LOCK + "Lock", lock.LockResponse),
    lock.UnlockRequest: Method(_LOCK + "Unlock", lock.UnlockResponse),
    elect.CampaignRequest: Method(_ELECTION + "Campaign", elect.CampaignResponse),
    elect.ProclaimRequest: Method(_ELECTION + "Proclaim", elect.ProclaimResponse),
    elect.LeaderRequest: Method(_ELECTION + "Leader", elect.LeaderResponse),
    elect.ResignRequest: Method(_ELECTION + "Resign", elect.ResignResponse),
}
OBSERVE = Method(_ELECTION + "Observe", elect.LeaderResponse)

# What shows that a call waits, as opposed to being slow.
PATIENCE = 0.15

# Seconds after which what others bring about has failed to come, on a busy machine too.
LONGEST = 120.0

# Seconds for which a call waits that gives up: enough to be in the queue, on a busy machine too.
SOON = 2.0


def call_of(request: Any) -> Call:
    return Call(METHODS[type(request)], request)


def key_of(name: bytes, lease: int) -> bytes:
    return name + b"/" + b"%x" % lease


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so that only a request can tell."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, f"not so in time: {what}"
        time.sleep(0.005)


class Pending:
    """A call to one server; its replies are gathered as they come."""

    def __init__(self, peer: Peer, call: Call, timeout: float | None = None) -> None:
        self._method = call.method
        self._call = peer.stream(call.method, iter([call.payload]), timeout, call.metadata or None)
        self._replies: list[bytes] = []
        self._changed = threading.Condition()
        self._outcome: Outcome | None = None
        self._taken = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def is_done(self) -> bool:
        return self._outcome is not None

    def outcome(self) -> Outcome:
        """Wait for the end of the call."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.is_done, CALL_TIMEOUT), "it still waits"
            assert self._outcome is not None
            return self._outcome

    def take(self) -> bytes:
        """Wait for the next reply of a stream."""
        with self._changed:
            more = self._changed.wait_for(
                lambda: len(self._replies) > self._taken or self.is_done, CALL_TIMEOUT
            )
            assert more, "nothing came"
            assert len(self._replies) > self._taken, f"it ended: {self._outcome}"
            self._taken += 1
            return self._replies[self._taken - 1]

    @property
    def has_more(self) -> bool:
        return len(self._replies) > self._taken

    def cancel(self) -> None:
        self._call.cancel()

    def _read(self) -> None:
        try:
            for reply in self._call:
                with self._changed:
                    self._replies.append(reply)
                    self._changed.notify_all()
        except grpc.RpcError:
            pass  # the status tells
        code, details = self._call.code(), self._call.details()
        with self._changed:
            self._outcome = Outcome(self._method, code, details, tuple(self._replies))
            self._changed.notify_all()


class Waiting:
    """The same call to both servers."""

    def __init__(self, pair: Pair, call: Call, timeout: float | None = None) -> None:
        self.subject, self.reference = (Pending(peer, call, timeout) for peer in pair.peers)

    def outcome(self) -> Outcome:
        """Wait until both calls have ended, alike."""
        got, expected = self.subject.outcome(), self.reference.outcome()
        assert got == expected, f"\netcd:\n{_shown(expected)}\nthe subject:\n{_shown(got)}"
        return got

    def reply(self) -> Any:
        return self.outcome().reply

    def error(self) -> tuple[str, str] | None:
        return self.outcome().error

    def take(self) -> Any:
        """Return the next reply of a stream, which both servers sent alike."""
        kind: Any = OBSERVE.reply
        got, expected = kind.FromString(self.subject.take()), kind.FromString(self.reference.take())
        assert got == expected, f"\netcd:\n{expected}\nthe subject:\n{got}"
        return got

    @property
    def is_waiting(self) -> bool:
        """Whether neither has ended, nor does soon."""
        time.sleep(PATIENCE)
        done = (self.subject.is_done, self.reference.is_done)
        assert done[0] == done[1], f"ended: the subject {done[0]}, etcd {done[1]}"
        return not done[0]

    @property
    def is_silent(self) -> bool:
        """Whether both streams go on without a reply that was not taken, now and soon."""
        waiting = self.is_waiting
        more = (self.subject.has_more, self.reference.has_more)
        assert more[0] == more[1], f"sent more: the subject {more[0]}, etcd {more[1]}"
        return waiting and not more[0]

    def cancel(self) -> None:
        self.subject.cancel()
        self.reference.cancel()


class Locks(Leases):
    """What a test does with locks and elections, on an empty store; leases 1 to 4 are granted."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair)
        self._started: list[Waiting] = []
        for lease in range(1, 5):
            self.send(pb.LeaseGrantRequest(ID=lease, TTL=100))

    def start(self, request: Any, timeout: float | None = None) -> Waiting:
        """Begin a call of either service."""
        waiting = Waiting(self.pair, call_of(request), timeout)
        self._started.append(waiting)
        return waiting

    def observe(self, name: bytes, timeout: float | None = None) -> Waiting:
        waiting = Waiting(self.pair, Call(OBSERVE, elect.LeaderRequest(name=name)), timeout)
        self._started.append(waiting)
        return waiting

    def do(self, request: Any) -> Any:
        """Make a call of either service that both servers must accept; return the reply."""
        return self.start(request).reply()

    def refused(self, request: Any) -> tuple[str, str] | None:
        return self.start(request).error()

    def lock(self, name: bytes, lease: int) -> Any:
        return self.do(lock.LockRequest(name=name, lease=lease))

    def queue_for_lock(self, name: bytes, lease: int) -> Waiting:
        """Begin a Lock that waits, and return once its key is in the queue."""
        waiting = self.start(lock.LockRequest(name=name, lease=lease))
        self.wait_for_key(key_of(name, lease))
        return waiting

    def unlock(self, key: bytes) -> Any:
        return self.do(lock.UnlockRequest(key=key))

    def campaign(self, name: bytes, lease: int, value: bytes) -> Any:
        return self.do(elect.CampaignRequest(name=name, lease=lease, value=value))

    def queue_for_election(self, name: bytes, lease: int, value: bytes) -> Waiting:
        """Begin a Campaign that waits, and return once its key is in the queue."""
        request = elect.CampaignRequest(name=name, lease=lease, value=value)
        waiting = self.start(request)
        self.wait_for_value(key_of(name, lease), value)
        return waiting

    def wait_for_watchers_of_etcd(self, number: int) -> None:
        """Wait until so many watch on the real etcd, where waiters and observers do."""
        wait_for(lambda: self.pair.watchers_of_etcd() == number, f"{number} watch")

    def proclaim(self, leader: elect.LeaderKey, value: bytes) -> Any:
        return self.do(elect.ProclaimRequest(leader=leader, value=value))

    def resign(self, leader: elect.LeaderKey) -> Any:
        return self.do(elect.ResignRequest(leader=leader))

    def leader(self, name: bytes) -> Any:
        return self.do(elect.LeaderRequest(name=name))

    def has(self, key: bytes) -> bool:
        return bool(self.send(get(key)).kvs)

    def head(self) -> int:
        """Return the current revision, as on a store that was new."""
        return self.rev(self.send(get(b"none")))

    def wait_for_key(self, key: bytes) -> None:
        self._wait_for(key, lambda kvs: bool(kvs), f"{key!r} exists")

    def wait_for_value(self, key: bytes, value: bytes) -> None:
        what = f"{key!r} is {value!r}"
        self._wait_for(key, lambda kvs: bool(kvs) and kvs[0].value == value, what)

    def wait_until_gone(self, key: bytes) -> None:
        self._wait_for(key, lambda kvs: not kvs, f"{key!r} is gone")

    def _wait_for(self, key: bytes, condition: Callable[[Any], bool], what: str) -> None:
        for peer in self.pair.peers:
            wait_for(lambda: condition(_kvs(peer, key)), what)  # noqa: B023 - called at once

    def close(self) -> None:
        """End every call that still waits."""
        for waiting in self._started:
            waiting.cancel()
        for waiting in self._started:
            waiting.subject.outcome()
            waiting.reference.outcome()


def _kvs(peer: Peer, key: bytes) -> Any:
    return peer.send(Call.of(get(key))).reply.kvs


def _shown(outcome: Outcome) -> str:
    return "\n".join([str(outcome.error or "OK"), *map(str, outcome.replies)])
