"""HTTP/1.1 that is allowed and seldom seen: expectations, trailers, upgrades, odd methods."""

from __future__ import annotations

import itertools
from contextlib import suppress

from tests.fairness.attacks.http1 import GET_A, RANGE
from tests.fairness.attacks.table import attack
from tests.fairness.pipe import Talk, request
from tests.fairness.wire import Crowd

_CHUNKED = "Transfer-Encoding: chunked"


def _chunked(chunks: bytes) -> bytes:
    """Return the bytes of a request whose body is these."""
    return request("POST", RANGE, b"", _CHUNKED).replace(b"Content-Length: 0\r\n", b"") + chunks


def _over_and_over(crowd: Crowd, whole: bytes, most: int, number: int) -> None:
    def more(talk: Talk) -> None:
        talk.out += whole
        talk.asked += 1

    crowd.drive_talks(more, most, number)


@attack()
def expectations(crowd: Crowd) -> None:
    """Announce bodies that never come, on 5,000 connections, over and over."""
    head = request("POST", RANGE, b"x" * 100, "Expect: 100-continue")[:-100]
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 5000 and not crowd.is_over:
                for talk in crowd.talk(200):
                    talk.out += head
                crowd.pump(0.0)
        crowd.pump(0.3)
        for talk in crowd.talks[:2500]:
            crowd.leave(talk)


@attack()
def expectations_met(crowd: Crowd) -> None:
    """Announce bodies and send them, on 200 connections."""
    whole = request("POST", RANGE, GET_A, "Expect: 100-continue")

    def more(talk: Talk) -> None:
        talk.out += whole
        # What is answered first is that it may come.
        talk.asked += 2

    crowd.drive_talks(more, 1, 200)


@attack()
def trailers(crowd: Crowd) -> None:
    """Send bodies in chunks with 4,000 trailers behind them, on 40 connections."""
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(4000))
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(GET_A), GET_A, fields)
    _over_and_over(crowd, _chunked(chunks), 4, 40)


@attack()
def trailers_without_end(crowd: Crowd) -> None:
    """Send one trailer after the other, on 40 connections."""
    start = _chunked(b"%x\r\n%b\r\n0\r\n" % (len(GET_A), GET_A))
    _without_end(crowd, start, b"X-Y: y\r\n" * 10_000)


@attack()
def extensions_of_chunks(crowd: Crowd) -> None:
    """Send chunks of a byte with extensions of 100 bytes, on 40 connections."""
    chunk = b"1;" + b"a=b;" * 25 + b"\r\n%c\r\n"
    chunks = b"".join(chunk % byte for byte in GET_A + b" " * 1000) + b"0\r\n\r\n"
    _over_and_over(crowd, _chunked(chunks), 20, 40)


@attack()
def an_extension_without_end(crowd: Crowd) -> None:
    """Send an extension of a chunk that does not end, on 40 connections."""
    _without_end(crowd, _chunked(b"1;a="), b"b" * (1 << 17))


def _without_end(crowd: Crowd, start: bytes, more: bytes) -> None:
    while not crowd.is_over:
        with suppress(OSError):
            for talk in crowd.talk(40 - len(crowd.talks)):
                talk.out += start
        for talk in crowd.talks:
            if len(talk.out) < 1 << 17:
                talk.out += more
        crowd.pump(0.01)


@attack()
def names_of_a_megabyte(crowd: Crowd) -> None:
    """Send a field whose name has a megabyte, less a little, on 40 connections."""
    field = "X" * 1_000_000 + ": y"
    crowd.drive_talks(lambda talk: talk.ask("GET", "/version", b"", field), 4, 40)


@attack()
def odd_methods(crowd: Crowd) -> None:
    """Send HEAD, OPTIONS and what nobody knows, 10,000 at once on each of 20 connections."""
    methods = itertools.cycle(["HEAD", "OPTIONS", "PROPFIND", "M-SEARCH", "TRACE", "DELETE"])
    paths = itertools.cycle(["/version", "/health", RANGE, "/nothing", "/metrics"])

    def more(talk: Talk) -> None:
        talk.ask(next(methods), next(paths))

    crowd.drive_talks(more, 10_000, 20)


@attack()
def unknown_methods(crowd: Crowd) -> None:
    """Send a method that there is not, on 1,000 connections, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("GRUMBLE", "/version"), 1, 1000)


@attack()
def upgrades_to_http2(crowd: Crowd) -> None:
    """Offer HTTP/2 by ``Upgrade: h2c``, on 200 connections. (RFC 7540 3.2)"""
    fields = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    )
    crowd.drive_talks(lambda talk: talk.ask("GET", "/version", b"", *fields), 10, 200)
