"""Leases on both servers, whose answers must be the same; times may be a second apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import grpc

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.messages import EVERYTHING, delete, put
from tests.conformance.pair import Pair
from tests.conformance.peers import CALL_TIMEOUT, Call, Method, Outcome, Peer

TIME_TO_LIVE = Method("/etcdserverpb.Lease/LeaseTimeToLive", pb.LeaseTimeToLiveResponse)
LEASES = Method("/etcdserverpb.Lease/LeaseLeases", pb.LeaseLeasesResponse)
KEEP_ALIVE = Method("/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveResponse)

# The first version that finds leases with a negative id, or the largest, when it starts. An older
# one forgets them, and leaves their keys for ever.
KEEPS_ALL_LEASES = (3, 7)

T = TypeVar("T")


def grant(lease: int, ttl: int = 100) -> pb.LeaseGrantRequest:
    return pb.LeaseGrantRequest(ID=lease, TTL=ttl)


def revoke(lease: int) -> pb.LeaseRevokeRequest:
    return pb.LeaseRevokeRequest(ID=lease)


def on_both(pair: Pair, action: Callable[[Peer], T]) -> tuple[T, T]:
    """Do something that takes time with both servers at once: the one under test comes first."""
    with ThreadPoolExecutor(2) as threads:
        subject, reference = threads.map(action, pair.peers)
        return subject, reference


def same_on_both(pair: Pair, action: Callable[[Peer], T]) -> T:
    """Do something with both servers at once, and return what came of it with either."""
    got, expected = on_both(pair, action)
    assert got == expected
    return got


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


class Leases:
    """What a test does with leases, on an empty store without any.

    Servers are used again, so a scenario names the revision after which it began ``rev(1)``.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        #: Seconds by which two servers may differ that were told something one after the other, on
        #: a busy machine.
        self.tolerance = 15
        pair.settle()  # revokes are refused under some alarms
        for peer in pair.peers:
            for status in listed(peer).leases:
                peer.send(Call.of(revoke(status.ID)))
        pair.settle()
        pair.send(put(b"gone"))
        self._offset: int = pair.send(delete(*EVERYTHING)).reply.header.revision - 1

    def rev(self, reply: Any) -> int:
        """Return the revision a reply names, as on a store that was new."""
        revision: int = reply.header.revision
        return revision - self._offset

    def send(self, request: Any) -> Any:
        """Send a request that both servers must accept; return the reply."""
        return self.pair.send(request).reply

    def error(self, request: Any) -> tuple[str, str] | None:
        return self.pair.send(request).error

    def time_to_live(self, lease: int, *, keys: bool = False) -> pb.LeaseTimeToLiveResponse:
        """Return what both servers tell of a lease."""
        got, expected = (time_to_live(peer, lease, keys=keys) for peer in self.pair.peers)
        assert abs(got.TTL - expected.TTL) <= self.tolerance, (got, expected)
        assert (got.TTL < 0) == (expected.TTL < 0), (got, expected)
        expected.TTL = got.TTL
        assert got == expected
        return got

    def keys(self, lease: int) -> list[bytes]:
        return list(self.time_to_live(lease, keys=True).keys)

    def listed(self) -> list[int]:
        """Return the leases, in the order in which both servers list them."""
        got, expected = map(listed, self.pair.peers)
        assert got == expected
        return [status.ID for status in got.leases]

    def keep_alive(self, *leases: int) -> list[pb.LeaseKeepAliveResponse]:
        """Ask on one stream to keep leases alive, and close it; return the replies."""
        return same_on_both(self.pair, lambda peer: keep_alive(peer, *leases))


def time_to_live(peer: Peer, lease: int, *, keys: bool = False) -> pb.LeaseTimeToLiveResponse:
    request = pb.LeaseTimeToLiveRequest(ID=lease, keys=keys)
    reply: pb.LeaseTimeToLiveResponse = peer.send(Call(TIME_TO_LIVE, request)).reply
    # etcd keeps the keys of a lease in a map.
    reply.keys[:] = sorted(reply.keys)
    return reply


def listed(peer: Peer) -> pb.LeaseLeasesResponse:
    reply: pb.LeaseLeasesResponse = peer.send(Call(LEASES, pb.LeaseLeasesRequest())).reply
    return reply


def keep_alive(peer: Peer, *leases: int) -> list[pb.LeaseKeepAliveResponse]:
    """Ask on one stream, half-close it, and return the replies of a stream that ended well."""
    outcome = keep_alive_outcome(peer, leases)
    assert outcome.error is None, outcome.error
    return outcome.replies


def keep_alive_outcome(peer: Peer, leases: Iterable[int]) -> Outcome:
    requests = [pb.LeaseKeepAliveRequest(ID=lease).SerializeToString() for lease in leases]
    call = peer.stream(KEEP_ALIVE, iter(requests), CALL_TIMEOUT)
    payloads: list[bytes] = []
    with suppress(grpc.RpcError):  # the status tells
        payloads.extend(call)
    return Outcome(KEEP_ALIVE, call.code(), call.details(), tuple(payloads))


def deletions(peer: Peer, revision: int, count: int) -> list[list[mvccpb.Event]]:
    """Wait for deletions from ``revision`` on; return ``count`` messages' worth of them."""
    request = pb.WatchCreateRequest(
        key=b"\0",
        range_end=b"\0",
        start_revision=revision,
        filters=[pb.WatchCreateRequest.NOPUT],
    )
    return [list(response.events) for response in peer.watch(request, 1 + count)[1:]]
