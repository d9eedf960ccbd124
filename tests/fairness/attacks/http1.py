"""HTTP/1.1: trickled, pipelined and huge heads and bodies, tiny chunks, and idle connections."""

from __future__ import annotations

from contextlib import suppress

from tests.fairness.attacks.table import attack, keys
from tests.fairness.pipe import request
from tests.fairness.wire import Crowd

RANGE = "/v3/kv/range"
GET_A = b'{"key":"L2E="}'
ALL_KEYS = b'{"key":"L2tleXMv","range_end":"L2tleXMw"}'


def _trickle(crowd: Crowd, whole: bytes, number: int) -> None:
    """Send something a byte at a time, on so many connections at once."""
    talks = crowd.talk(number)
    position = 0
    while not crowd.is_over and talks:
        at = position % len(whole)
        for talk in crowd.talks:
            talk.out += whole[at : at + 1]
        crowd.pump(0.0)
        position += 1


@attack()
def trickled_heads(crowd: Crowd) -> None:
    """Send heads of requests a byte at a time, on 2,000 connections."""
    fields = [f"X-{number}: {'y' * 40}" for number in range(100)]
    _trickle(crowd, request("GET", "/version", b"", *fields), 2000)


@attack()
def trickled_bodies(crowd: Crowd) -> None:
    """Send bodies a byte at a time, on 2,000 connections."""
    talks = crowd.talk(2000)
    body = b'{"key":"' + b"L2Ev" * 1000 + b'"}'
    for talk in talks:
        talk.out += request("POST", RANGE, body)[: -len(body)]
    crowd.wait(lambda: not any(talk.out for talk in crowd.talks), 5.0)
    position = 0
    while not crowd.is_over and position < len(body):
        for talk in crowd.talks:
            talk.out += body[position : position + 1]
        crowd.pump(0.0)
        position += 1


@attack()
def pipelined_pages(crowd: Crowd) -> None:
    """Send 10,000 requests at once on each of 20 connections, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("GET", "/version"), 10_000, 20)


@attack()
def pipelined_json(crowd: Crowd) -> None:
    """Send 10,000 requests for a key at once on each of 20 connections, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("POST", RANGE, GET_A), 10_000, 20)


@attack()
def crowds_of_json(crowd: Crowd) -> None:
    """Ask for a key on 2,000 connections at the same moment, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("POST", RANGE, GET_A), 1, 2000)


@attack()
def json_puts(crowd: Crowd) -> None:
    """Put a key on 200 connections at the same moment, over and over."""
    body = b'{"key":"L2E=","value":"L2E="}'
    crowd.drive_talks(lambda talk: talk.ask("POST", "/v3/kv/put", body), 10, 200)


@attack()
def one_byte_chunks(crowd: Crowd) -> None:
    """Send bodies in chunks of a byte, on 40 connections."""
    body = b'{"key":"' + b"L2Ev" * 2000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    whole = request("POST", RANGE, b"", "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )

    def more(talk: object) -> None:
        talk.out += whole + chunks  # type: ignore[attr-defined]
        talk.asked += 1  # type: ignore[attr-defined]

    crowd.drive_talks(more, 100, 40)


@attack()
def largest_heads(crowd: Crowd) -> None:
    """Send heads of a megabyte, in fields of 8 KB, on 40 connections."""
    fields = [f"X-{number}: {'y' * 8000}" for number in range(125)]
    crowd.drive_talks(lambda talk: talk.ask("GET", "/version", b"", *fields), 4, 40)


@attack()
def most_fields(crowd: Crowd) -> None:
    """Send heads of 4,000 fields, on 40 connections."""
    fields = [f"X-{number}: y" for number in range(4000)]
    crowd.drive_talks(lambda talk: talk.ask("GET", "/version", b"", *fields), 4, 40)


@attack()
def heads_without_end(crowd: Crowd) -> None:
    """Send a megabyte of a head that has no end, on 500 connections."""
    head = b"GET /version HTTP/1.1\r\n" + b"X-Y: " + b"z" * 1_000_000
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 500 and not crowd.is_over:
                for talk in crowd.talk(20):
                    talk.out += head
                crowd.pump(0.0)
        crowd.pump()


@attack()
def bodies_without_end(crowd: Crowd) -> None:
    """Send two megabytes of a body but for its last byte, on 500 connections."""
    whole = request("POST", "/v3/kv/put", b'{"value":"' + b"A" * 2_000_000)
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 500 and not crowd.is_over:
                for talk in crowd.talk(20):
                    talk.out += whole[:-1]
                crowd.pump(0.0)
        crowd.pump()


@attack()
def idle_connections(crowd: Crowd) -> None:
    """Ask once on each of 10,000 connections, and keep them."""
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 10_000 and not crowd.is_over:
                for talk in crowd.talk(200):
                    talk.ask("GET", "/version")
                crowd.pump(0.0)
        crowd.pump()


@attack(keys(20_000))
def gateway_ranges(crowd: Crowd) -> None:
    """Ask the gateway for 20,000 keys, over and over."""
    crowd.drive_talks(lambda talk: talk.ask("POST", RANGE, ALL_KEYS), 1, 1)
