"""Passwords are hashed as Go's bcrypt does, beside the loop and behind everything else."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import bcrypt
import pytest

from etcdpy.auth.passwords import Passwords
from etcdpy.errors import PasswordTooLongError, TooManyRequestsError

COST = 4
#: Of the password "q", by the library; the same for every worker, as it is in the tests' names.
HASHED = b"$2b$04$XGALEQG3.9Ms2cIgX4YWBeibCMuD/qkgaJ.AOH5F3Sb.zdnYvgJlS"


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(COST)
    yield passwords
    passwords.close()


class Gate:
    """Takes the place of the library: lets hashing end when it is opened."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.begun: list[bytes] = []
        self._has_begun = threading.Event()

    async def first(self) -> None:
        """Wait, while the loop goes on, until the first password is being hashed."""
        waiting = asyncio.get_running_loop().run_in_executor(None, self._has_begun.wait, 60)
        assert await waiting

    def hashpw(self, password: bytes, salt: bytes) -> bytes:
        self.begun.append(password)
        self._has_begun.set()
        assert self.is_open.wait(60)
        return b"x" * 60


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(bcrypt, "hashpw", gate.hashpw)
    yield gate
    gate.is_open.set()


async def test_hash_is_as_etcd_writes_it(passwords: Passwords) -> None:
    hashed = await passwords.hash("secret")
    assert hashed.startswith(b"$2a$04$")
    assert len(hashed) == 60
    assert hashed != await passwords.hash("secret")
    assert bcrypt.checkpw(b"secret", hashed)


async def test_password_is_known_again(passwords: Passwords) -> None:
    hashed = await passwords.hash("secret")
    assert await passwords.check("secret", hashed)
    assert await passwords.check(b"secret", hashed)
    assert not await passwords.check("Secret", hashed)
    assert not await passwords.check("", hashed)


async def test_hash_of_another_implementation_is_known(passwords: Passwords) -> None:
    # Of the tests of Go's golang.org/x/crypto/bcrypt.
    hashed = b"$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"
    assert await passwords.check("allmine", hashed)
    assert not await passwords.check("allmineX", hashed)


@pytest.mark.parametrize(
    ("password", "same", "others"),
    [
        ("a\0b", ["a\0b"], ["a", "a\0", "a\0c", "ab"]),
        # What is repeated and ended by a zero is the same as one zero, whatever the length.
        ("", ["", "\0", "\0\0"], ["x", " "]),
        ("\0", ["\0", "", "\0\0"], ["x"]),
        ("pässwörd✓", ["pässwörd✓", "pässwörd✓".encode()], ["passw", "pässwörd"]),
        (b"\xff\xfe", [b"\xff\xfe"], [b"\xff", b"\xff\xff", "\xff\xfe"]),
        ("x" * 71, ["x" * 71], ["x" * 70, "x" * 72]),
        ("x" * 72, ["x" * 72, "x" * 73, "x" * 10**6], ["x" * 71]),
        ("é" * 36, ["é" * 36, "é" * 37], ["é" * 35]),
    ],
)
async def test_every_byte_counts_up_to_the_seventy_second(
    passwords: Passwords,
    password: str | bytes,
    same: list[str | bytes],
    others: list[str | bytes],
) -> None:
    hashed = await passwords.hash(password)
    assert [await passwords.check(text, hashed) for text in same] == [True] * len(same)
    assert [await passwords.check(text, hashed) for text in others] == [False] * len(others)


@pytest.mark.parametrize("password", ["x" * 73, "é" * 37, b"\0" * 73])
async def test_longer_one_is_not_hashed(passwords: Passwords, password: str | bytes) -> None:
    with pytest.raises(PasswordTooLongError):
        await passwords.hash(password)


@pytest.mark.parametrize(
    "hashed",
    [
        HASHED,
        b"$2a" + HASHED[3:],
        b"$2y" + HASHED[3:],
        b"$2x" + HASHED[3:],
        b"$2?" + HASHED[3:],
        b"$1a" + HASHED[3:],
        b"$2" + HASHED[3:],
        HASHED[:4] + b"+4" + HASHED[6:],
        HASHED[:6] + b"!" + HASHED[7:],
        HASHED + b"and more",
        # The last character of a salt has four bits that do not count.
        HASHED[:28] + bytes([HASHED[28] + 1]) + HASHED[29:],
    ],
)
async def test_hash_may_be_one_that_only_go_takes(passwords: Passwords, hashed: bytes) -> None:
    assert await passwords.check("q", hashed)
    assert not await passwords.check("p", hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        None,
        b"",
        b"q",
        b"$",
        b"\xff" * 60,
        b"$3b" + HASHED[3:],
        HASHED[:4] + b"03" + HASHED[6:],
        HASHED[:4] + b"32" + HASHED[6:],
        HASHED[:4] + b"4$" + HASHED[6:],
        HASHED[:10] + b"!" + HASHED[11:],
        HASHED[:59],
        HASHED[:59] + b"!",
        HASHED[1:],
        b"\n" + HASHED,
    ],
)
async def test_what_is_no_hash_is_of_no_password(
    passwords: Passwords, hashed: bytes | None
) -> None:
    assert not await passwords.check("q", hashed)
    assert not await passwords.check("", hashed)


@pytest.mark.parametrize("hashed", [None, b"", b"junk", HASHED[:4] + b"32" + HASHED[6:]])
async def test_no_user_takes_as_much_work_as_one(
    hashed: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    real = bcrypt.hashpw

    def hashpw(password: bytes, salt: bytes) -> bytes:
        costs.append(salt[4:6])
        return real(password, salt)

    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    passwords = Passwords(5)
    assert await passwords.check("q", await passwords.hash("q"))
    assert not await passwords.check("q", hashed)
    assert costs == [b"05", b"05", b"05"]
    passwords.close()


@pytest.mark.parametrize("cost", [0, 3, 32, 2**64 - 1])
async def test_cost_that_bcrypt_does_not_know_becomes_ten(
    cost: int, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = Passwords(cost)
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert line.getMessage() == "use default bcrypt cost instead of the invalid given cost"
    assert line.args == {
        "min-cost": 4,
        "max-cost": 31,
        "default-cost": 10,
        "given-cost": cost,
    }
    assert (await passwords.hash("q")).startswith(b"$2a$10$")
    passwords.close()


@pytest.mark.parametrize("cost", [4, 31])
def test_cost_at_the_edge_is_one(cost: int, caplog: pytest.LogCaptureFixture) -> None:
    Passwords(cost).close()
    assert caplog.messages == []


async def test_loop_goes_on_meanwhile(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1)
    checking = asyncio.create_task(passwords.check("q", HASHED))
    await gate.first()
    assert not checking.done()
    gate.is_open.set()
    assert not await checking
    passwords.close()


async def test_whoever_comes_first_is_served_first(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1)
    names = [b"%d" % number for number in range(50)]
    calls = [asyncio.create_task(passwords.check(name, HASHED)) for name in names]
    await gate.first()
    gate.is_open.set()
    await asyncio.gather(*calls)
    assert gate.begun == names
    passwords.close()


async def test_clients_have_turns(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1)
    order = [(b"1", "a"), (b"2", "a"), (b"3", "a"), (b"4", "b")]
    calls = [asyncio.create_task(passwords.check(name, HASHED, 0, who)) for name, who in order]
    await gate.first()
    gate.is_open.set()
    await asyncio.gather(*calls)
    assert gate.begun == [b"1", b"2", b"4", b"3"]
    passwords.close()


async def test_only_so_many_wait(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1, most_waiting=3)
    calls = [asyncio.create_task(passwords.check("q", HASHED)) for _ in range(4)]
    await gate.first()
    with pytest.raises(TooManyRequestsError):
        await passwords.check("q", HASHED)
    with pytest.raises(TooManyRequestsError):
        await passwords.hash("q")
    # One that has gone makes room.
    calls[-1].cancel()
    await asyncio.wait([calls.pop()])
    calls.append(asyncio.create_task(passwords.check("q", HASHED)))
    gate.is_open.set()
    assert await asyncio.gather(*calls) == [False] * 4
    assert not await passwords.check("q", HASHED)
    passwords.close()


@pytest.mark.parametrize(("password", "size"), [("q", 2 << 16), ("q" * (2 << 16), 0)])
async def test_large_requests_take_the_place_of_several(
    gate: Gate, password: str, size: int
) -> None:
    passwords = Passwords(COST, threads=1, most_waiting=5)
    calls = [asyncio.create_task(passwords.check(password, HASHED, size)) for _ in range(2)]
    await gate.first()
    with pytest.raises(TooManyRequestsError):
        await passwords.check("q", HASHED)
    gate.is_open.set()
    assert await asyncio.gather(*calls) == [False, False]
    assert not await passwords.check("q", HASHED)
    passwords.close()


async def test_call_that_was_given_up_is_not_worked_on(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1)
    first = asyncio.create_task(passwords.check("first", HASHED))
    second = asyncio.create_task(passwords.check("second", HASHED))
    third = asyncio.create_task(passwords.check("third", HASHED))
    await gate.first()
    second.cancel()
    await asyncio.wait([second])
    gate.is_open.set()
    await asyncio.gather(first, third)
    assert gate.begun == [b"first", b"third"]
    assert second.cancelled()
    passwords.close()


async def test_closing_cancels_those_that_wait(gate: Gate) -> None:
    passwords = Passwords(COST, threads=1)
    first = asyncio.create_task(passwords.check("first", HASHED))
    second = asyncio.create_task(passwords.check("second", HASHED))
    await gate.first()
    passwords.close()
    await asyncio.wait([second])
    assert second.cancelled()
    gate.is_open.set()
    assert not await first
    assert gate.begun == [b"first"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one priority")
async def test_thread_yields_to_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    priorities = []

    def hashpw(password: bytes, salt: bytes) -> bytes:
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return b"x" * 60

    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    passwords = Passwords(COST)
    await passwords.check("q", HASHED)
    assert priorities == [min(ours + 10, 19)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == ours
    passwords.close()
