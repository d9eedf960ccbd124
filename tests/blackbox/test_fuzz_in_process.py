"""The same bent conversations, fed to a connection in this process: whole, then in crumbs."""

import random
from collections.abc import Iterable

from etcdpy.transport.call import Call
from etcdpy.transport.connection import Connection
from etcdpy.transport.heads import HeadMemory
from etcdpy.transport.limits import ServerOptions
from etcdpy.transport.routes import Route, RouteTable

from .bent import METHODS, bend, conversation
from .h2client import GOAWAY, PREFACE, SETTINGS, frame

STREAMS_REQUESTS = ("Chat", "Watch", "Collect")
STREAMS_RESPONSES = ("Repeat", "Chat", "Watch")


class Answerer:
    """Answers whole unary requests at once; streams stay open."""

    call_type = Call

    def __init__(self) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []

    def start_unary(self, call: Call, message: bytes) -> None:
        self.started.append(call.stream_id)
        call.connection.sender.reply(call, message)

    def start_stream(self, call: Call) -> None:
        self.started.append(call.stream_id)
        call.is_running = True

    def start_http(self, call: Call, body: bytes | None) -> None:
        call.connection.sender.status(call, 12, "not here")

    def watch(self, call: Call) -> None:
        """Deadlines do not matter here."""

    def unwatch(self, call: Call) -> None:
        """As above."""

    def cancel(self, call: Call) -> None:
        self.cancelled.append(call.stream_id)


def routes() -> RouteTable:
    table = RouteTable()
    for name in METHODS:
        if name != "Nope":
            route = Route(
                lambda *_: None,
                name in STREAMS_REQUESTS,
                name in STREAMS_RESPONSES,
                bytes,
                bytes,
                True,
            )
            table._routes[f"/echo.Echo/{name}"] = route
    return table


def feed(pieces: Iterable[bytes]) -> tuple[Connection, bytes]:
    """Feed a connection one piece a millisecond; it may raise nothing."""
    connection = Connection(Answerer(), HeadMemory(routes()), ServerOptions(), now=100.0)
    now = 100.0
    said = []
    for piece in pieces:
        now += 0.001
        connection.receive(piece, now)
        connection.tick(now)
        said += connection.sender.out
        connection.sender.out.clear()
        if connection.is_finished:
            break
    connection.lost()
    assert connection.is_finished
    assert not connection.streams
    return connection, b"".join(said)


def parse(text: bytes) -> list[tuple[int, int, bytes]]:
    """Return (type, stream, payload) of whole frames; what is written must be nothing else."""
    frames = []
    while text:
        assert len(text) >= 9
        length = int.from_bytes(text[:3], "big")
        assert length <= 16384
        assert len(text) >= 9 + length
        frames.append((text[3], int.from_bytes(text[5:9], "big"), text[9 : 9 + length]))
        text = text[9 + length :]
    return frames


def final_error(text: bytes) -> int | None:
    """
    Return the code of the last GOAWAY.

    One for too many pings does not count: pings are judged by what was answered between them,
    and that does depend on how the bytes were cut.
    """
    goaways = [payload for kind, _, payload in parse(text) if kind == GOAWAY]
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
    for seed in range(3000):
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
