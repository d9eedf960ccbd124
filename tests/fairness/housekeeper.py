"""
The client that makes a server's memory comparable: before an attack and after it.

``python -m tests.fairness.housekeeper NAME HOST:PORT`` is a crowd of ordinary clients for a moment,
through all doors: a process that has never served has not imported half of what it is made of. Then
it notes what is there, prints ``ready``, waits for a line, and takes away what was not there, as a
client may: keys and leases, and by a compaction what keys were. What it has taken is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from google.protobuf.message import Message

from bench.http2 import Connection, LoadError, Method, methods
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks import ATTACKS
from tests.fairness.bystander import Logins, connect
from tests.fairness.papers import client_context
from tests.fairness.wire import Crowd

#: Connections of HTTP/2 and of HTTP/1.1, and calls on each.
WIRES, TALKS, CALLS = 40, 10, 20

#: Keys that are listed at once, operations of a transaction, and bytes of a name that go into one.
PAGE, OPERATIONS, NAME = 1000, 100, 100

_LEASES, _REVOKE = w.LEASE + "LeaseLeases", w.LEASE + "LeaseRevoke"


def warm_up(crowd: Crowd) -> None:
    """Be many ordinary clients, and leave."""
    watch = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/warm"))
    read = pb.RangeRequest(key=b"/warm")
    for wire in crowd.connect(WIRES):
        wire.out += w.data(wire.begin(w.WATCH), w.message(watch))
        for _ in range(CALLS):
            wire.call(w.PUT, pb.PutRequest(key=b"/warm", value=b"x" * 64))
            wire.call(w.RANGE, read)
            wire.call(w.TXN, pb.TxnRequest(success=[pb.RequestOp(request_range=read)]))
    for talk in crowd.talk(TALKS):
        for _ in range(CALLS):
            talk.ask("POST", "/v3/kv/range", b'{"key":"L3dhcm0="}')
        for path in ("/health", "/version", "/metrics", "/v2/keys/warm"):
            talk.ask("GET", path)
    crowd.wait(lambda: not any(pipe.unanswered > 0 for pipe in crowd.pipes), 10.0)
    for pipe in list(crowd.pipes):
        crowd.leave(pipe)


class Housekeeper:
    """
    Knows what was there, and takes away the rest.

    Args:
        name: The attack.
        address: The server's.

    """

    def __init__(self, name: str, address: str) -> None:
        attack = ATTACKS[name]
        self._address = address
        self._tls = client_context() if attack.is_secure else None
        token = Logins(name, address).token if attack.user else ""
        self._methods: dict[str, tuple[Connection, Method]] = {}
        for path in (w.RANGE, _LEASES, w.COMPACT):
            (method,) = methods(address, path, token=token)
            self._methods[path] = connect(name, address), method
        self._revision = self._newest()
        self._leases = self._all_leases()

    def tidy(self) -> str:
        """Take away what has come; return what that was."""
        leases = self._all_leases() - self._leases
        crowd = Crowd(self._address, 600.0, self._tls)
        if leases:
            crowd.each(_REVOKE, [pb.LeaseRevokeRequest(ID=lease) for lease in sorted(leases)])
        keys, names = 0, [b""]
        # Those of users who have to log in are left: they come back as they were.
        while (found := self._new_keys()) and found != names:
            names = found
            keys += len(names)
            crowd.each(w.TXN, _deletions(names))
        # Twice is a mistake, and so is none at all.
        if (revision := self._newest()) > self._revision:
            self._call(w.COMPACT, pb.CompactionRequest(revision=revision, physical=True))
        return f"tidied {keys} keys, {len(leases)} leases"

    def _newest(self) -> int:
        request = pb.RangeRequest(key=b"/warm", count_only=True)
        return pb.RangeResponse.FromString(self._call(w.RANGE, request)).header.revision

    def _all_leases(self) -> set[int]:
        reply = pb.LeaseLeasesResponse.FromString(self._call(_LEASES, pb.LeaseLeasesRequest()))
        return {lease.ID for lease in reply.leases}

    def _new_keys(self) -> list[bytes]:
        since = self._revision + 1
        # All keys there can be.
        request = pb.RangeRequest(
            key=b"\0", range_end=b"\0", min_create_revision=since, keys_only=True, limit=PAGE
        )
        reply = pb.RangeResponse.FromString(self._call(w.RANGE, request))
        return [row.key for row in reply.kvs]

    def _call(self, path: str, message: Message) -> bytes:
        connection, method = self._methods[path]
        # Its first call is its connection's.
        encode = method.request if connection.next_stream_id > 1 else method.first_request
        return connection.call(encode(message.SerializeToString()))


def _deletions(names: list[bytes]) -> Iterator[pb.TxnRequest]:
    for first in range(0, len(names), OPERATIONS):
        request = pb.TxnRequest()
        for name in names[first : first + OPERATIONS]:
            # A transaction has a megabyte, and so may a name have.
            start, end = name[:NAME], name[:NAME] + b"\xff" if len(name) > NAME else b""
            deletion = pb.DeleteRangeRequest(key=start, range_end=end)
            request.success.add().request_delete_range.CopyFrom(deletion)
        yield request


def main(name: str, address: str) -> None:
    """Warm up, wait, and tidy."""
    tls = client_context() if ATTACKS[name].is_secure else None
    warm_up(Crowd(address, 600.0, tls))
    housekeeper = Housekeeper(name, address)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(housekeeper.tidy(), flush=True)
    except (LoadError, OSError) as error:
        print(f"could not tidy up: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
