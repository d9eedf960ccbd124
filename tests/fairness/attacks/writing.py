"""Writing, deleting, compacting and defragmenting."""

from __future__ import annotations

import gzip

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack, keys
from tests.fairness.wire import GZIP, Crowd


@attack(keys(1, 1_000_000, b"/big"))
def puts_with_prev_kv(crowd: Crowd) -> None:
    """Put a megabyte 500 times at once, and ask for what was there."""
    body = w.message(pb.PutRequest(key=b"/big00000000", value=bytes(1_000_000), prev_kv=True))
    for wire in crowd.connect(5):
        for _ in range(100):
            wire.out += w.data(wire.begin(w.PUT), body)
    crowd.wait(lambda: crowd.is_over)


@attack()
def incomplete_puts(crowd: Crowd) -> None:
    """Send puts of a megabyte without their last byte, on 40 connections."""
    body = w.message(pb.PutRequest(key=b"/a", value=bytes(1_000_000)))[:-1]
    for wire in crowd.connect(40):
        for _ in range(100):
            wire.out += w.data(wire.begin(w.PUT), body, end=False)
    crowd.wait(lambda: crowd.is_over)


@attack()
def gzip_bombs(crowd: Crowd) -> None:
    """Send puts of 2 KB that are 2 MB when inflated."""
    body = gzip.compress(pb.PutRequest(key=b"/a", value=bytes((2 << 20) - 100)).SerializeToString())
    crowd.drive(lambda wire: wire.call(w.PUT, body, GZIP, flag=1), 200, 4)


@attack(keys(100_000, 16))
def deletes_with_prev_kv(crowd: Crowd) -> None:
    """Delete 100,000 keys, and ask for what was there."""
    (wire,) = crowd.connect()
    request = pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0", prev_kv=True)
    wire.call(w.DELETE, request)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(100_000, 16))
def deletes_of_100000(crowd: Crowd) -> None:
    """Delete 100,000 keys."""
    (wire,) = crowd.connect()
    wire.call(w.DELETE, pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0"))
    crowd.wait(lambda: crowd.is_over)


@attack(keys(100_000, 16))
def compactions(crowd: Crowd) -> None:
    """Compact what 100,000 keys have been, a little further each time, and wait for it."""
    (wire,) = crowd.connect()
    revision = 2
    while not crowd.is_over and wire.is_open and revision < 1000:
        wire.call(w.COMPACT, pb.CompactionRequest(revision=revision, physical=True))
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)
        revision += 10


@attack(keys(100_000, 100))
def defragmentations(crowd: Crowd) -> None:
    """Defragment, over and over."""
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.MAINTENANCE + "Defragment", pb.DefragmentRequest())
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


def _roles(crowd: Crowd) -> None:
    requests = [pb.AuthRoleAddRequest(name=f"role{number}") for number in range(20_000)]
    crowd.each(w.AUTH + "RoleAdd", requests, at_once=1000)


@attack(_roles)
def lists_of_roles(crowd: Crowd) -> None:
    """Have 20,000 roles listed, over and over."""
    crowd.drive(lambda wire: wire.call(w.AUTH + "RoleList", pb.AuthRoleListRequest()), 4, 2)
