"""The same bent conversations, fed to a connection in this process: whole, then in crumbs."""

import random
from collections.abc import Iterable

from etcdpy.transport.grpc.connection import Connection

from .bent import bend, conversation
from .h2client import GOAWAY, PREFACE, SETTINGS, frame
from .in_process import connect, parse, written


def feed(pieces: Iterable[bytes]) -> tuple[Connection, bytes]:
    """Feed a connection one piece a millisecond; it may raise nothing."""
    connection = connect()
    now = 100.0
    said = []
    for piece in pieces:
        now += 0.001
        connection.receive(piece, now)
        connection.tick(now)
        said.append(written(connection))
        if connection.is_finished:
            break
    connection.lost()
    assert connection.is_finished
    assert not connection.streams
    return connection, b"".join(said)


def final_error(text: bytes) -> int | None:
    """
    Return the code of the last GOAWAY.

    One for too many pings does not count: pings are judged by what was answered between them,
    and that does depend on how the bytes were cut.
    """
    goaways = [frame.payload for frame in parse(text) if frame.type == GOAWAY]
    if not goaways or goaways[-1].endswith(b"too_many_pings"):
        return None
    return int.from_bytes(goaways[-1][4:8], "big")


def crumbs(text: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted(rng.sample(range(len(text) + 1), min(len(text), rng.randrange(20))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def test_unbent_conversations_end_without_error() -> None:
    rng = random.Random(30)
    for _ in range(300):
        text = b"".join(conversation(rng))
        _, said = feed([text])
        assert final_error(said) is None


def test_bent_conversations_end_alike_however_they_are_cut() -> None:
    for seed in range(1500):
        rng = random.Random(seed)
        text = b"".join(bend(rng, conversation(rng)))
        _, whole = feed([text])
        _, cut = feed(crumbs(text, rng))
        bytewise = final_error(whole)
        if seed % 10 == 0:
            _, single = feed(text[i : i + 1] for i in range(len(text)))
            bytewise = final_error(single)
        assert final_error(whole) == final_error(cut) == bytewise, f"seed {seed}"


def test_noise_raises_nothing_and_ends_alike() -> None:
    for seed in range(500):
        rng = random.Random(seed)
        head = rng.choice([b"", PREFACE, PREFACE + frame(SETTINGS)])
        text = head + rng.randbytes(rng.randrange(1, 500))
        _, whole = feed([text])
        _, single = feed(text[i : i + 1] for i in range(len(text)))
        assert final_error(whole) == final_error(single), f"seed {seed}"


def test_what_is_kept_of_noise_is_bounded() -> None:
    rng = random.Random(31)
    for _ in range(50):
        pieces = [PREFACE, frame(SETTINGS)]
        for _ in range(200):
            size = rng.choice([0, 4, 5, 8, 100, 16384])
            stream = rng.choice([0, 1, 3, 2**31 - 1])
            pieces.append(frame(rng.randrange(11), rng.randrange(256), stream, rng.randbytes(size)))
        connection, said = feed(pieces)
        parse(said)
        assert len(connection._buffer) <= 16384 + 9
