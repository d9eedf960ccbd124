"""Valid conversations with a server, and the same with faults in them, from a seed."""

import random
import struct

import hpack

from .h2client import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    RST_STREAM,
    SETTINGS,
    frame,
    message,
    request_fields,
    window_update,
)

METHODS = {
    "Unary": b"hello",
    "Task": b"hello",
    "Sleep": b"30",
    "Fail": b'["ABORTED", "x"]',
    "Large": b"100000",
    "Repeat": b'{"count": 50, "size": 5000}',
    "Chat": b"a",
    "Each": b"w",
    "Watch": b"a",
    "Collect": b"a",
    "Nope": b"",
}
INTERESTING = [0, 1, 2, 3, 5, 9, 255, 16384, 16385, 65535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]


def conversation(rng: random.Random) -> list[bytes]:
    """Return the frames of a few calls, the preface first; every one of them legal."""
    encoder = hpack.Encoder()
    frames = [PREFACE, frame(SETTINGS, payload=struct.pack(">HL", 4, rng.choice([0, 9, 65535])))]
    for number in range(rng.randrange(1, 6)):
        stream = 2 * number + 1
        method = rng.choice(list(METHODS))
        fields = request_fields(f"/echo.Echo/{method}")
        if rng.random() < 0.3:
            fields.append((b"grpc-timeout", b"%dm" % rng.randrange(1, 5000)))
        block = encoder.encode(fields, huffman=rng.random() < 0.5)
        cut = rng.randrange(len(block))
        shapes = [
            [frame(HEADERS, END_HEADERS, stream, block)],
            [
                frame(HEADERS, 0, stream, block[:cut]),
                frame(CONTINUATION, END_HEADERS, stream, block[cut:]),
            ],
            [frame(HEADERS, END_HEADERS | PADDED, stream, b"\x03" + block + bytes(3))],
            [frame(HEADERS, END_HEADERS | PRIORITIZED, stream, bytes(5) + block)],
        ]
        frames += rng.choice(shapes)
        body = message(METHODS[method]) * rng.choice([1, 1, 3])
        cut = rng.randrange(len(body))
        frames.append(frame(DATA, 0, stream, body[:cut]))
        frames.append(frame(DATA, rng.choice([0, END_STREAM]), stream, body[cut:]))
        extras = [
            frame(PING, payload=rng.randbytes(8)),
            frame(RST_STREAM, 0, stream, struct.pack(">L", rng.randrange(14))),
            window_update(rng.choice([0, stream]), rng.randrange(1, 100_000)),
            frame(SETTINGS, ACK),
            frame(SETTINGS, 0, 0, struct.pack(">HL", 1, rng.randrange(5000))),
        ]
        frames += rng.sample(extras, rng.randrange(3))
    return frames


def bend(rng: random.Random, frames: list[bytes]) -> list[bytes]:
    """Return the conversation with one to four faults in it."""
    frames = list(frames)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(1, len(frames))
        bent = bytearray(frames[at])
        kind = rng.randrange(9)
        if len(bent) < 9:
            continue  # cut short before
        if kind == 0:
            bent[rng.randrange(len(bent))] = rng.randrange(256)
        elif kind == 1:
            bent[rng.randrange(len(bent))] ^= 1 << rng.randrange(8)
        elif kind == 2:
            struct.pack_into(">L", bent, 5, rng.choice(INTERESTING))
        elif kind == 3:
            bent[3] = rng.randrange(12)
        elif kind == 4:
            bent[4] = rng.randrange(256)
        elif kind == 5 and len(bent) >= 13:
            struct.pack_into(">L", bent, 9, rng.choice(INTERESTING))
        elif kind == 6:
            frames.insert(at, bytes(bent))
        elif kind == 7:
            del bent[rng.randrange(1, len(bent)) :]
        else:
            other = rng.randrange(1, len(frames))
            frames[other], bent = bytes(bent), bytearray(frames[other])
        frames[at] = bytes(bent)
    return frames
