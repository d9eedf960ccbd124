"""The v2 API: crowds that wait for one key, large directories, ends at one moment, huge values."""

from __future__ import annotations

import time
from contextlib import suppress

from tests.fairness.attacks.table import Preparation, attack
from tests.fairness.pipe import Talk
from tests.fairness.wire import Crowd

KEYS = "/v2/keys"
#: The history that watchers find is of a thousand events.
HISTORY = 1000

_FORM = "Content-Type: application/x-www-form-urlencoded"
_V2 = {"flags": ("--enable-v2",), "is_for": "--enable-v2"}


def _put(talk: Talk, path: str, form: str) -> None:
    talk.ask("PUT", f"{KEYS}{path}", form.encode(), _FORM)


def _filled(number: int, size: int, form: str = "") -> Preparation:
    """Return what puts so many keys, with values of that size."""

    def fill(crowd: Crowd) -> None:
        (talk,) = crowd.talk()
        for i in range(number):
            _put(talk, f"/dir/{i:06}", f"value={'x' * size}{form}")
            if not i % 100:
                crowd.wait(lambda: talk.unanswered < 100)
        crowd.wait(lambda: not talk.unanswered)
        crowd.leave(talk)

    return fill


def _polling(number: int, path: str) -> Preparation:
    """Return what opens so many long polls."""

    def poll(crowd: Crowd) -> None:
        for first in range(0, number, 500):
            for talk in crowd.talk(500):
                talk.ask("GET", f"{KEYS}{path}")
            # The heads come at once.
            crowd.wait(lambda first=first: crowd.ended >= first + 500)  # type: ignore[misc]

    return poll


@attack(_polling(8_000, "/polled?wait=true"), **_V2)  # type: ignore[arg-type]
def v2_polls_woken(crowd: Crowd) -> None:
    """Set a key that 8,000 poll, who poll again."""
    (writer,) = crowd.talk()
    while not crowd.is_over and writer.is_open:
        _put(writer, "/polled", "value=x")
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)
        for talk in crowd.talks:
            if talk is not writer:
                talk.ask("GET", f"{KEYS}/polled?wait=true")
        crowd.wait(lambda: not any(talk.unanswered for talk in crowd.talks) or crowd.is_over)


@attack(_polling(8_000, "/polled?wait=true"), **_V2)  # type: ignore[arg-type]
def v2_polls_leave_at_once(crowd: Crowd) -> None:
    """Have 8,000 poll a key, and close all at once."""
    for talk in crowd.talks:
        crowd.leave(talk)
    crowd.wait(lambda: False, 0.1)
    while not crowd.is_over:
        with suppress(OSError):
            for talk in crowd.talk(2_000):
                talk.ask("GET", f"{KEYS}/polled?wait=true")
            crowd.pump(0.5)
            for talk in crowd.talks:
                crowd.leave(talk)


@attack(_filled(HISTORY, 1_000), **_V2)  # type: ignore[arg-type]
def v2_far_behind(crowd: Crowd) -> None:
    """Watch everything from the oldest event on, on 1,000 connections, over and over."""
    path = f"{KEYS}/?wait=true&recursive=true&waitIndex=10"
    crowd.drive_talks(lambda talk: talk.ask("GET", path), 1, 1000)


@attack(_filled(HISTORY, 10_000), **_V2)  # type: ignore[arg-type]
def v2_streams_unread(crowd: Crowd) -> None:
    """Watch everything from the oldest event on, on 2,000 connections, and read nothing."""
    path = f"{KEYS}/?wait=true&recursive=true&stream=true&waitIndex=10"
    (writer,) = crowd.talk()
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.talks) < 2_000 and not crowd.is_over:
                for talk in crowd.talk(100, reads=False, room=4096):
                    talk.ask("GET", path)
                crowd.pump(0.0)
        if writer.is_open and not writer.unanswered:
            _put(writer, "/dir/000000", f"value={'y' * 10_000}")
        crowd.pump(0.01)


@attack(_filled(50_000, 16), **_V2)  # type: ignore[arg-type]
def v2_large_directory(crowd: Crowd) -> None:
    """Have a directory of 50,000 keys listed and sorted on 20 connections, over and over."""
    path = f"{KEYS}/dir?recursive=true&sorted=true"
    crowd.drive_talks(lambda talk: talk.ask("GET", path), 1, 20)


@attack(_filled(50_000, 16), **_V2)  # type: ignore[arg-type]
def v2_large_directory_unread(crowd: Crowd) -> None:
    """Have a directory of 50,000 keys listed on 200 connections, and read nothing."""
    for talk in crowd.talk(200, reads=False, room=4096):
        talk.ask("GET", f"{KEYS}/dir?recursive=true&sorted=true")
    crowd.wait(lambda: crowd.is_over)


@attack(_filled(20_000, 16), **_V2)  # type: ignore[arg-type]
def v2_expiry(crowd: Crowd) -> None:
    """Let 20,000 keys end at one moment, while 100 watch."""
    for talk in crowd.talk(100):
        talk.ask("GET", f"{KEYS}/?wait=true&recursive=true&stream=true")
    (writer,) = crowd.talk()
    for i in range(20_000):
        _put(writer, f"/dir/{i:06}", "value=x&ttl=5")
    crowd.wait(lambda: not writer.unanswered, 60.0)
    crowd.wait(lambda: False, 6.0)


@attack(_filled(20_000, 16), **_V2)  # type: ignore[arg-type]
def v2_delete_directory(crowd: Crowd) -> None:
    """Delete a directory of 20,000 keys, of which 2,000 wait for one each."""
    for number, talk in enumerate(crowd.talk(2_000)):
        talk.ask("GET", f"{KEYS}/dir/{number:06}?wait=true")
    crowd.wait(lambda: not any(talk.unanswered for talk in crowd.talks))
    (writer,) = crowd.talk()
    writer.ask("DELETE", f"{KEYS}/dir?recursive=true")
    crowd.wait(lambda: crowd.is_over)


@attack(**_V2)  # type: ignore[arg-type]
def v2_huge_values(crowd: Crowd) -> None:
    """Set a key to a megabyte, over and over, on 20 connections."""
    form = f"value={'%41' * 400_000}"
    crowd.drive_talks(lambda talk: _put(talk, "/huge", form), 2, 20)


@attack(**_V2)  # type: ignore[arg-type]
def v2_puts_flat_out(crowd: Crowd) -> None:
    """Set a key, and read it, as fast as can be, on 200 connections."""

    def more(talk: Talk) -> None:
        if talk.asked % 2:
            talk.ask("GET", f"{KEYS}/a")
        else:
            _put(talk, "/a", "value=b")

    crowd.drive_talks(more, 10, 200)


@attack(flags=("--enable-v2",), is_for="--no-etcd-has-these")
def v2_locks(crowd: Crowd) -> None:
    """Have 2,000 wait for a lock and for a leader, and close all at once."""
    while not crowd.is_over:
        with suppress(OSError):
            for number, talk in enumerate(crowd.talk(2_000)):
                if number % 2:
                    talk.ask("POST", "/mod/v2/lock/left", b"ttl=60", _FORM)
                else:
                    form = b"ttl=60&name=%d" % number
                    talk.ask("PUT", "/mod/v2/leader/left", form, _FORM)
            crowd.pump(1.0)
            for talk in crowd.talks:
                crowd.leave(talk)


@attack(**_V2)  # type: ignore[arg-type]
def v2_forms_of_many_names(crowd: Crowd) -> None:
    """Send forms of 50,000 names that nobody asks for, on 20 connections."""
    form = "&".join(f"n{number}={number}" for number in range(50_000))
    crowd.drive_talks(lambda talk: _put(talk, "/many", form), 2, 20)


@attack(**_V2)  # type: ignore[arg-type]
def v2_spaces_in_types(crowd: Crowd) -> None:
    """Send types of forms that are half a megabyte of spaces, on 10 connections."""
    kind = f"Content-Type: a/b{' ' * 500_000}x"
    crowd.drive_talks(lambda talk: talk.ask("PUT", f"{KEYS}/a", b"value=x", kind), 2, 10)


@attack(**_V2)  # type: ignore[arg-type]
def v2_expiry_of_50000(crowd: Crowd) -> None:
    """Let 50,000 keys end in the same second, however long it took to set them."""
    began = time.monotonic()
    writers = crowd.talk(4)
    for i in range(50_000):
        writer = writers[i % 4]
        _put(writer, f"/dir/{i:06}", f"value=x&ttl={20 - int(time.monotonic() - began)}")
        if not i % 100:
            crowd.wait(lambda writer=writer: writer.unanswered < 100)  # type: ignore[misc]
    crowd.wait(lambda: not any(writer.unanswered for writer in writers))
    crowd.wait(lambda: time.monotonic() >= began + 22.0, 30.0)


@attack(_polling(2_000, "/polled?wait=true"), **_V2)  # type: ignore[arg-type]
def v2_polls_of_a_history_that_wraps(crowd: Crowd) -> None:
    """Have 2,000 poll a key from indexes that a history of 1,000 events leaves behind."""
    writers = crowd.talk(10)
    numbers = iter(range(1 << 40))
    while not crowd.is_over:
        for talk in crowd.talks:
            if talk in writers:
                while talk.unanswered < 20:
                    _put(talk, "/other", "value=x")
            elif not talk.unanswered:
                index = 1 + next(numbers) % 3000
                talk.ask("GET", f"{KEYS}/polled?wait=true&waitIndex={index}")
        _put(writers[0], "/polled", "value=x")
        crowd.pump(0.01)
