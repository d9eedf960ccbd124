"""Messages of streams that are compressed: a kilobyte from the client, megabytes for the server."""

from __future__ import annotations

import gzip

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack
from tests.fairness.wire import GZIP, Crowd

#: A length-delimited field that no message has, of 2 MB when inflated.
_UNKNOWN = b"\x7a\x80\x80\x60" + bytes(96 << 14)
#: A million of them, of a byte each.
_MANY = b"\x78\x01" * 1_000_000


def _stream(crowd: Crowd, path: str, body: bytes, number: int = 4) -> None:
    packed = w.message(gzip.compress(body), 1)
    wires = crowd.connect(number)
    streams = {wire: wire.begin(path, GZIP) for wire in wires}
    while not crowd.is_over and crowd.wires:
        for wire in crowd.wires:
            while len(wire.out) < 1 << 17 and wire.stream(streams[wire], packed):
                pass
        crowd.pump()


@attack()
def gzip_keepalives(crowd: Crowd) -> None:
    """Keep a lease alive with messages of 2 KB that are 1.5 MB when inflated."""
    _stream(
        crowd,
        w.LEASE + "LeaseKeepAlive",
        pb.LeaseKeepAliveRequest(ID=5).SerializeToString() + _UNKNOWN,
    )


@attack()
def gzip_keepalives_of_many_fields(crowd: Crowd) -> None:
    """Keep a lease alive with messages that are a million unknown fields when inflated."""
    _stream(
        crowd,
        w.LEASE + "LeaseKeepAlive",
        pb.LeaseKeepAliveRequest(ID=5).SerializeToString() + _MANY,
    )


@attack()
def gzip_watches(crowd: Crowd) -> None:
    """Send requests to a stream of watches that are a million unknown fields when inflated."""
    _stream(crowd, w.WATCH, _MANY)


@attack()
def gzip_watches_of_long_keys(crowd: Crowd) -> None:
    """Create watches of keys of 1.5 MB that are zeros."""
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=bytes(1_500_000)))
    _stream(crowd, w.WATCH, create.SerializeToString())


@attack()
def events_that_are_compressed(crowd: Crowd) -> None:
    """Put a megabyte that 300 streams watch which take gzip."""
    (wire,) = crowd.connect()
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/gzip"))
    for _ in range(300):
        stream = wire.begin(w.WATCH, GZIP)
        wire.out += w.data(
            stream, w.message(gzip.compress(create.SerializeToString()), 1), end=False
        )
    crowd.pump(0.5)
    (writer,) = crowd.connect()
    value = bytes(1_000_000)
    while not crowd.is_over and wire.is_open and writer.is_open:
        writer.call(w.PUT, pb.PutRequest(key=b"/gzip", value=value))
        crowd.wait(lambda: crowd.is_over or not writer.unanswered)
