"""The JSON gateway: what is hard to read, long to write, and never taken."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

from tests.fairness.attacks.http1 import ALL_KEYS, RANGE
from tests.fairness.attacks.table import attack, keys
from tests.fairness.pipe import Talk
from tests.fairness.wire import Crowd

PUT, WATCH, LOCK = "/v3/kv/put", "/v3/watch", "/v3/lock/lock"
CAMPAIGN = "/v3/election/campaign"

#: Bytes of a body that etcd takes as well: 1.5 MiB of a request are some more of JSON.
LARGE = 1_400_000


def _over_and_over(crowd: Crowd, path: str, body: bytes, number: int = 10) -> None:
    crowd.drive_talks(lambda talk: talk.ask("POST", path, body), 2, number)


@attack()
def deep_json(crowd: Crowd) -> None:
    """Send JSON that is as deep as it may be, many times beside each other."""
    one = b"[" * 9990 + b"]" * 9990
    _over_and_over(crowd, RANGE, b'{"x":[' + b",".join([one] * (LARGE // len(one))) + b"]}")


@attack()
def deeper_json(crowd: Crowd) -> None:
    """Send JSON that is a million objects deep."""
    _over_and_over(crowd, RANGE, b'{"x":' * (LARGE // 5))


@attack()
def json_of_empty_lists(crowd: Crowd) -> None:
    """Send half a million empty lists, of which nobody wants to know."""
    _over_and_over(crowd, RANGE, b'{"x":[' + b",".join([b"[]"] * (LARGE // 3)) + b"]}")


@attack()
def json_of_empty_compares(crowd: Crowd) -> None:
    """Send transactions with half a million empty compares."""
    body = b'{"compare":[' + b",".join([b"{}"] * (LARGE // 3)) + b"]}"
    _over_and_over(crowd, "/v3/kv/txn", body)


@attack()
def json_escapes(crowd: Crowd) -> None:
    """Send a quarter of a million escapes."""
    _over_and_over(
        crowd, "/v3/kv/put?utf8=true", b'{"key":"a","value":"%b"}' % (rb"\u0041" * 200_000)
    )


@attack()
def json_numbers(crowd: Crowd) -> None:
    """Send numbers with a million digits."""
    digits = b"1" * (LARGE - 100)
    bodies = (
        b'{"key":"L2E=","limit":%b}' % digits,
        b'{"key":"L2E=","limit":"%b"}' % digits,
        b'{"key":"L2E=","limit":0.%b}' % digits,
        b'{"key":"L2E=","limit":1.%be1}' % (b"0" * (LARGE - 100)),
        b'{"key":"L2E=","limit":1e%b}' % digits,
    )
    number = iter(range(1 << 40))
    crowd.drive_talks(lambda talk: talk.ask("POST", RANGE, bodies[next(number) % 5]), 2, 10)


@attack()
def json_base64(crowd: Crowd) -> None:
    """Put a megabyte in base64, some of it broken at the end."""
    good = b'{"key":"L2E=","value":"%b"}' % b64encode(bytes(1_000_000))
    bodies = (good, good[:-4] + b'="}', good.replace(b"A", b"-", 1).replace(b"A", b"+", 1))
    number = iter(range(1 << 40))
    crowd.drive_talks(lambda talk: talk.ask("POST", PUT, bodies[next(number) % 3]), 2, 10)


@attack(keys(50, 100_000))
def json_watches_unread(crowd: Crowd) -> None:
    """Watch everything from the beginning on 5,000 connections, and read nothing."""
    body = b'{"create_request":{"key":"AA==","range_end":"AA==","start_revision":"2"}}'
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 5_000 and not crowd.is_over:
                for talk in crowd.talk(100, reads=False, room=4096):
                    talk.ask("POST", WATCH, body)
                crowd.pump(0.0)
        crowd.pump()


def _watching(crowd: Crowd) -> None:
    talks = crowd.talk(5_000)
    for talk in talks:
        talk.ask("POST", WATCH, b'{"create_request":{"key":"L3NhbWU="}}')
    crowd.wait(lambda: crowd.ended >= 5_000)


@attack(_watching)
def json_watchers_of_one(crowd: Crowd) -> None:
    """Put a key that 5,000 watch in JSON, each on a connection of its own."""
    (writer,) = crowd.talk()
    body = b'{"key":"L3NhbWU=","value":"%b"}' % b64encode(bytes(100))
    while not crowd.is_over and writer.is_open:
        writer.ask("POST", PUT, body)
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)
        crowd.pump(0.01)


@attack(keys(200, 1_000_000))
def json_ranges_unread(crowd: Crowd) -> None:
    """Ask for 200 MB on each of 20 connections, and read nothing."""
    for talk in crowd.talk(20, reads=False):
        talk.ask("POST", RANGE, ALL_KEYS)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(200, 100_000))
def json_ranges(crowd: Crowd) -> None:
    """Ask for 20 MB on each of 20 connections, over and over."""
    _over_and_over(crowd, RANGE, ALL_KEYS, 20)


@attack(keys(20, 1_000_000))
def json_snapshots_unread(crowd: Crowd) -> None:
    """Ask for 50 snapshots in JSON, and read nothing."""
    for talk in crowd.talk(50, reads=False):
        talk.ask("POST", "/v3/maintenance/snapshot", b"{}")
    crowd.wait(lambda: crowd.is_over)


@attack()
def json_waiters_leave_at_once(crowd: Crowd) -> None:
    """Have 2,000 wait for a lock and for an election in JSON, and close all at once."""
    name = b64encode(b"left")
    while not crowd.is_over:
        with suppress(OSError):
            talks = crowd.talk(2_000)
            for number, talk in enumerate(talks):
                if number % 2:
                    talk.ask("POST", LOCK, b'{"name":"%b"}' % name)
                else:
                    talk.ask("POST", CAMPAIGN, b'{"name":"%b","value":"bWU="}' % name)
            crowd.pump(0.5)
            for talk in crowd.talks:
                crowd.leave(talk)


@attack()
def json_long_queries(crowd: Crowd) -> None:
    """Ask for a key with a query of 60,000 parameters, on 20 connections."""
    path = f"{RANGE}?utf8=true&{'a=b&' * 60_000}"

    def more(talk: Talk) -> None:
        # The first request of a connection may have no long line, as behind etcd's door.
        if not talk.asked:
            talk.ask("GET", "/version")
        talk.ask("POST", path, b'{"key":"a"}')

    crowd.drive_talks(more, 2, 20)
