"""TLS: handshakes that stop, floods of them, tiny records, and clients that do not say goodbye."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import ALL_KEYS, attack, keys
from tests.fairness.papers import client_context, pair
from tests.fairness.pipe import Pipe
from tests.fairness.wire import Crowd, Wire

_GET = pb.RangeRequest(key=b"/a")


def _hello() -> bytes:
    """Return what a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def _stop_behind(crowd: Crowd, first: bytes, number: int) -> None:
    """Have so many connections on which nothing comes behind some bytes."""
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.pipes) < number and not crowd.is_over:
                for _ in range(100):
                    crowd.add(Pipe(crowd.address)).out += first
                crowd.pump(0.0)
        crowd.pump()


@attack(is_secure=True)
def half_hellos(crowd: Crowd) -> None:
    """Stop in the middle of the hello, on 3,000 connections."""
    _stop_behind(crowd, _hello()[:100], 3000)


@attack(is_secure=True)
def half_handshakes(crowd: Crowd) -> None:
    """Say hello and nothing more, on 3,000 connections."""
    _stop_behind(crowd, _hello(), 3000)


def _in_threads(number: int, crowd: Crowd, work: Callable[[], None]) -> None:
    """Do something over and over, as often at once; whatever goes wrong."""
    done = itertools.count()

    def go_on() -> None:
        while not crowd.is_over:
            with suppress(OSError):
                work()
            next(done)

    threads = [threading.Thread(target=go_on) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    crowd.notes.append(f"{next(done)} connections")


def _shake_hands(crowd: Crowd, tls: ssl.SSLContext) -> ssl.SSLSocket:
    host, _, port = crowd.address.rpartition(":")
    return tls.wrap_socket(socket.create_connection((host, int(port)), 5), server_hostname=host)


@attack(is_secure=True)
def handshakes(crowd: Crowd) -> None:
    """Agree on a session, and close, over and over."""
    tls = client_context("h2", shows="")
    _in_threads(16, crowd, lambda: _shake_hands(crowd, tls).close())


@attack(is_certified=True)
def strangers(crowd: Crowd) -> None:
    """Show certificates of an authority that nobody trusts, or none."""
    contexts = itertools.cycle([client_context(shows="stranger"), client_context(shows="")])

    def knock() -> None:
        with _shake_hands(crowd, next(contexts)) as peer:
            # With TLS 1.3 the refusal comes behind the handshake.
            peer.recv(1)

    _in_threads(16, crowd, knock)


@attack(is_certified=True)
def certified_handshakes(crowd: Crowd) -> None:
    """Show a good certificate, and close, over and over."""
    tls = client_context("h2")
    _in_threads(16, crowd, lambda: _shake_hands(crowd, tls).close())


@attack(is_secure=True)
def certificates_renewed(crowd: Crowd) -> None:
    """Agree on sessions while the certificate is replaced all the time."""
    names = itertools.cycle(["renewed", "server"])
    kept = {name: [path.read_bytes() for path in pair(name)] for name in ("renewed", "server")}
    tls = client_context("h2", shows="")

    def renew() -> None:
        while not crowd.is_over:
            for path, content in zip(pair("server"), kept[next(names)], strict=True):
                fresh = path.with_suffix(".new")
                fresh.write_bytes(content)
                shutil.copymode(path, fresh)
                os.replace(fresh, path)
            stopped.wait(0.01)

    stopped = threading.Event()
    renewing = threading.Thread(target=renew)
    renewing.start()
    _in_threads(8, crowd, lambda: _shake_hands(crowd, tls).close())
    renewing.join()
    for path, content in zip(pair("server"), kept["server"], strict=True):
        path.write_bytes(content)


@attack(is_secure=True)
def one_byte_records(crowd: Crowd) -> None:
    """Send requests in records of a byte, on 40 connections."""
    one = _TinyRecords(crowd)
    body = w.message(_GET)
    crowd.connect(40)
    while not crowd.is_over and crowd.wires:
        for wire in crowd.wires:
            if not wire.out:
                for _ in range(20):
                    wire.out += w.data(wire.begin(w.RANGE), body)
            one.send(wire)
        crowd.pump(0.0)


class _TinyRecords:
    """Sends what waits on a connection a byte at a time, each in a record of its own."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def send(self, wire: Wire) -> None:
        out = bytes(wire.out)
        sent = 0
        with suppress(OSError):
            for sent in range(len(out)):
                wire.socket.send(out[sent : sent + 1])
            sent = len(out)
        del wire.out[:sent]


@attack(keys(5, 1_000_000), is_secure=True)
def unread_secure_replies(crowd: Crowd) -> None:
    """Ask for 5 MB 2,000 times over TLS, and read nothing."""
    for wire in crowd.connect(20):
        wire.reads = False
        for _ in range(100):
            wire.call(w.RANGE, ALL_KEYS)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(60, 1_000_000), is_secure=True)
def large_secure_replies(crowd: Crowd) -> None:
    """Ask for 60 MB over and over, over TLS."""
    crowd.drive(lambda wire: wire.call(w.RANGE, ALL_KEYS), 2, 2)


@attack(is_secure=True)
def no_goodbyes(crowd: Crowd) -> None:
    """Ask once and close TCP, without a word of TLS; half of them close one direction alone."""
    numbers = itertools.count()
    held: list[ssl.SSLSocket] = []
    tls = client_context("h2")
    hello = w.PREFACE + w.settings()
    call = w.frame(w.HEADERS, w.END_HEADERS, 1, w.block(w.RANGE)) + w.data(1, w.message(_GET))

    def leave() -> None:
        peer = _shake_hands(crowd, tls)
        peer.sendall(hello + call)
        if next(numbers) % 2:
            # The socket alone: nothing of TLS is said.
            socket.socket.shutdown(peer, socket.SHUT_WR)
            held.append(peer)
        else:
            socket.socket.close(peer)

    _in_threads(16, crowd, leave)
