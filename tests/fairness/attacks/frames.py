"""What HTTP/2 lets a client do."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import ALL_KEYS, attack, keys
from tests.fairness.wire import Crowd, Wire


@attack()
def one_byte_data(crowd: Crowd) -> None:
    """Send a request in DATA frames of a byte, on 40 connections."""
    body = w.message(pb.PutRequest(key=b"/a", value=bytes(2000)))
    crowd.drive(lambda wire: wire.out.extend(w.data(wire.begin(w.PUT), body, size=1)), 1000, 40)


@attack()
def huffman_fields(crowd: Crowd) -> None:
    """Send Huffman-coded fields of 8 KB, on 40 connections."""
    # The code of "0" is five zero bits.
    coded = bytes(8000)
    field = b"\x00" + w.literal(b"x-long", b"")[1:-1] + _huffman(coded)

    def more(wire: Wire) -> None:
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"), field)

    crowd.drive(more, 100, 40)


def _huffman(coded: bytes) -> bytes:
    size = len(coded) - 127
    head = bytearray([0xFF])
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head) + coded


@attack()
def table_thrash(crowd: Crowd) -> None:
    """Send fields that are inserted into the table and push each other out."""
    number = iter(range(1 << 40))

    def more(wire: Wire) -> None:
        fields = b"".join(w.literal(b"x-%d" % next(number), b"v" * 20, 0x40) for _ in range(60))
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"), fields)

    crowd.drive(more, 100, 10)


@attack()
def continuations(crowd: Crowd) -> None:
    """Send header blocks in frames of a kilobyte, up to what is allowed."""

    def more(wire: Wire) -> None:
        fields = w.block(w.RANGE) + w.literal(b"x", b"y" * 10) * 20_000
        pieces = [fields[i : i + 16384] for i in range(0, len(fields), 16384)]
        stream, wire.next_id = wire.next_id, wire.next_id + 2
        wire.out += w.frame(w.HEADERS, 0, stream, pieces[0])
        for piece in pieces[1:-1]:
            wire.out += w.frame(w.CONTINUATION, 0, stream, piece)
        wire.out += w.frame(w.CONTINUATION, w.END_HEADERS, stream, pieces[-1])
        wire.out += w.data(stream, w.message(pb.RangeRequest(key=b"/a")))

    crowd.drive(more, 10, 4)


@attack(keys(5, 1_000_000))
def window_changes(crowd: Crowd) -> None:
    """Change the initial window while thousands of streams wait for it."""
    (wire,) = crowd.connect(1, stream_window=0)
    for _ in range(5000):
        wire.call(w.RANGE, pb.RangeRequest(key=b"/keys/00000000"))
    crowd.wait(lambda: not wire.out)
    size = 0
    while not crowd.is_over and wire.is_open:
        if len(wire.out) < 4096:
            size ^= 1
            wire.out += w.settings(_4=size) * 20
        crowd.pump(0.02)


@attack(keys(1, 3_000_000))
def provoked_resets(crowd: Crowd) -> None:
    """Ask for megabytes, and make the server reset each stream."""

    def more(wire: Wire) -> None:
        wire.out += w.credit(0, wire.call(w.RANGE, ALL_KEYS))

    crowd.drive(more, 900, 4)


@attack(keys(20_000))
def resets(crowd: Crowd) -> None:
    """Ask for 20,000 keys, and reset each stream."""

    def more(wire: Wire) -> None:
        stream = wire.call(w.RANGE, ALL_KEYS)
        wire.out += w.frame(w.RST_STREAM, 0, stream, struct.pack(">I", 8))

    crowd.drive(more, 900, 4)


@attack()
def trickled_frames(crowd: Crowd) -> None:
    """Send requests a byte at a time on 1,000 connections."""
    frames = (
        w.PREFACE
        + w.settings()
        + b"".join(
            w.frame(w.HEADERS, w.END_HEADERS, stream, w.block(w.RANGE))
            + w.data(stream, w.message(pb.RangeRequest(key=b"/a")))
            for stream in range(1, 200, 2)
        )
    )
    wires = crowd.connect(1000)
    for wire in wires:
        wire.out.clear()
    position = 0
    while not crowd.is_over:
        for wire in crowd.wires:
            wire.out += frames[position : position + 1]
            with suppress(OSError):
                wire.write()
        position += 1


@attack()
def pings(crowd: Crowd) -> None:
    """Ping as fast as can be, on new connections when that is too much."""
    while not crowd.is_over:
        if len(crowd.wires) < 20:
            with suppress(OSError):
                crowd.connect(20 - len(crowd.wires))
        for wire in crowd.wires:
            if len(wire.out) < 1 << 16:
                wire.out += w.frame(w.PING, 0, 0, bytes(8)) * 500
        crowd.pump()


@attack()
def connections(crowd: Crowd) -> None:
    """Connect, ask once, and close, over and over."""
    while not crowd.is_over:
        with suppress(OSError):
            wires = [Wire(crowd.address) for _ in range(50)]
            for wire in wires:
                wire.call(w.RANGE, pb.RangeRequest(key=b"/a"))
                wire.write()
            time.sleep(0.005)
            for wire in wires:
                wire.close()


@attack()
def deadlines_of_1ns(crowd: Crowd) -> None:
    """Put with a deadline that is over at once."""
    short = w.literal(b"grpc-timeout", b"1n")

    def more(wire: Wire) -> None:
        wire.call(w.PUT, pb.PutRequest(key=b"/a"), short)

    crowd.drive(more, 1000, 10)


@attack()
def pipelined_calls(crowd: Crowd) -> None:
    """Send 40,000 calls on one connection before reading any answer."""
    (wire,) = crowd.connect()
    calls = 40_000
    for _ in range(calls):
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"))
    wire.reads = False
    crowd.wait(lambda: not wire.out or crowd.is_over, 2.0)
    wire.reads = True
    crowd.wait(lambda: wire.ended >= calls, 120.0)
    crowd.wait(lambda: crowd.is_over)


@attack()
def pipelined_puts(crowd: Crowd) -> None:
    """Send 40,000 puts on one connection, each of which has to wait for the disk."""
    (wire,) = crowd.connect()
    calls = 40_000
    for _ in range(calls):
        wire.call(w.PUT, pb.PutRequest(key=b"/a"))
    crowd.wait(lambda: wire.ended >= calls, 120.0)
    crowd.wait(lambda: crowd.is_over)
