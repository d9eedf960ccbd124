"""
Valid conversations bent at random: the server survives, logs nothing, leaks nothing.

A failure names its seed; ``ETCDPY_SEED=… pytest tests/blackbox/test_fuzz.py`` repeats it.
"""

import contextlib
import errno
import os
import random
import socket
from collections.abc import Iterator

import pytest

from ..support.seeds import SEED
from .bent import bend, conversation
from .conftest import EchoServer
from .h2client import PREFACE, SETTINGS, frame

#: How many there are, the same on any machine.
CONVERSATIONS = int(os.environ.get("FUZZ_CONVERSATIONS", "900"))
#: Seconds after which one hangs; what the server gives a peer by itself is over after ten.
PATIENCE = 9.0


@contextlib.contextmanager
def not_connected() -> Iterator[None]:
    """Let pass that the server had hung up before we could half-close."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def say(port: int, text: bytes, rng: random.Random) -> None:
    """Send ``text``, close our side, and read to the end; TimeoutError means it hangs."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    with peer, contextlib.suppress(ConnectionError), not_connected():
        cut = rng.choice([0, rng.randrange(len(text))])
        peer.sendall(text[:cut])
        peer.sendall(text[cut:])
        if rng.random() < 0.5:
            return  # vanish
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1 << 16):
            pass


def test_bent_conversations(server: EchoServer) -> None:
    rng = random.Random(SEED)
    warm = [b"".join(conversation(rng)) for _ in range(100)]
    for text in warm:
        say(server.port, text, rng)
    before = server.rss()
    for _ in range(CONVERSATIONS):
        seed = rng.randrange(1 << 32)
        one = random.Random(seed)
        try:
            say(server.port, b"".join(bend(one, conversation(one))), one)
        except TimeoutError:
            pytest.fail(f"conversation of seed {seed} was left hanging")
    assert server.process.poll() is None
    assert server.latency() < 2
    server.wait_idle()
    assert server.rss() - before < 24 << 20


def test_noise_after_the_preface(server: EchoServer) -> None:
    rng = random.Random(SEED + 1)
    for _ in range(CONVERSATIONS // 3):
        head = rng.choice([b"", PREFACE, PREFACE + frame(SETTINGS)])
        say(server.port, head + rng.randbytes(rng.randrange(1, 3000)), rng)
    assert server.latency() < 2
    server.wait_idle()


def test_frames_of_noise(server: EchoServer) -> None:
    """Frames with a sound length and any other content, so the parser gets past the first."""
    rng = random.Random(SEED + 2)
    for _ in range(CONVERSATIONS // 3):
        frames = [PREFACE, frame(SETTINGS)]
        for _ in range(rng.randrange(1, 30)):
            size = rng.choice([0, 1, 4, 5, 6, 8, 9, 40])
            stream = rng.choice([0, 1, 1, 3, 5, 2, (1 << 31) - 1])
            flags = rng.choice([0, 1, 4, 5, 8, 32, 255])
            frames.append(frame(rng.randrange(11), flags, stream, rng.randbytes(size)))
        say(server.port, b"".join(frames), rng)
    assert server.latency() < 2
    server.wait_idle()
