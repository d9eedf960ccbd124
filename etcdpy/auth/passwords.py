"""
Passwords: how they are kept, and how one is checked.

They are kept as hashes by bcrypt, which is slow on purpose: at its usual cost of 10 it takes a
core for a twentieth to a tenth of a second. So hashing is done by threads of its own, while the
loop goes on with everything else. There are fewer of them than cores, and they yield to whatever
else wants one: a crowd that logs in waits in its queue, and holds up nobody who is in already. Nor
does one client hold up others that log in, as they have turns.

A hash as etcd has it (Go: golang.org/x/crypto/bcrypt)::

    $2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
     |  |  salt, 22 characters  hash, 31 characters
     |  cost: 2**10 rounds
     version
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from etcdpy.auth.rounds import Rounds
from etcdpy.errors import PasswordTooLongError

__all__ = ["Passwords", "check_length"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Bytes that bcrypt looks at.
LONGEST_PASSWORD = 72
#: (Go: ``bcrypt.MinCost``, ``bcrypt.MaxCost``, ``bcrypt.DefaultCost``)
LEAST_COST, GREATEST_COST, DEFAULT_COST = 4, 31, 10
#: Calls that wait for a thread. With one thread and the default cost the last of them waits for
#: about a minute, and clients seldom wait longer. etcd has no limit.
MOST_WAITING = 1000
#: Bytes of a call that are kept while it waits, for each place it takes in the queue: however large
#: the requests are, all that wait together take no more than 64 MiB.
PLACE_BYTES = 64 << 10
#: More threads than that would only make a crowd's logins quicker.
MOST_THREADS = 4
#: How much nicer than the loop's thread (setpriority(2)): a tenth of its share where both want the
#: same core. The nicest of all would get none on a busy machine, and clients wait five seconds.
_NICER, _NICEST = 10, 19

#: What Go's bcrypt takes for a hash: it looks neither at the minor version nor at what parts the
#: fields, and takes whatever stands behind the last one.
_HASH = (
    rb"\$[\x00-2](?:\$|[^$].)(?P<cost>[0+][4-9]|[12][0-9]|3[01])."
    rb"(?P<salt>[./A-Za-z0-9]{21})(?P<last>[./A-Za-z0-9])(?P<hash>[./A-Za-z0-9]{31})"
)
#: The digits of bcrypt's own base64, in order.
_DIGITS = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Passwords:
    """
    Hashes and checks passwords.

    Args:
        cost: That of new hashes, ``--bcrypt-cost``: one more takes twice as long.
        threads: How many are hashed at once; by default it depends on how many cores there are.
        most_waiting: How many calls may wait for their turn; fewer, if they are large.

    """

    def __init__(
        self, cost: int, threads: int | None = None, most_waiting: int = MOST_WAITING
    ) -> None:
        self._cost = _sound_cost(cost)
        number = threads or _thread_count()
        self._rounds = Rounds(number, number + most_waiting)
        # Without threads until the first password comes.
        self._threads = ThreadPoolExecutor(number, "password", initializer=_yield_to_others)

    async def hash(self, password: str | bytes, who: str = "") -> bytes:
        """
        Return the hash to keep of a password, by which ``check`` knows it again.

        If this is cancelled, it is not hashed, unless that has begun.

        Args:
            password: What was given.
            who: The client that gave it.

        Raises:
            PasswordTooLongError: It has more than 72 bytes.
            TooManyRequestsError: Too many calls are waiting, and most of them are this client's.

        """
        check_length(password)
        content = _bytes(password)
        return await self._run(partial(_hash, content, self._cost), who)

    async def check(
        self, password: str | bytes, hashed: bytes | None, size: int = 0, who: str = ""
    ) -> bool:
        """
        Tell whether a password is the one that was hashed.

        Only its first 72 bytes count. For None, and whatever is no hash, the answer is no, and
        takes as long as one about a hash that was made here: nobody is told by the time that there
        is no such user. If this is cancelled, it is not checked, unless that has begun.

        Args:
            password: What was given.
            hashed: What is kept of the user.
            size: Bytes of the request that the caller keeps meanwhile, if it is not just this. A
                large one takes several places in the queue.
            who: The client that gave the password.

        Raises:
            TooManyRequestsError: Too many calls are waiting, and most of them are this client's.

        """
        content = _bytes(password)
        places = 1 + max(size, len(content)) // PLACE_BYTES
        work = partial(_check, content[:LONGEST_PASSWORD], hashed or b"", self._cost)
        del content
        return await self._run(work, who, places)

    def close(self) -> None:
        """Hash nothing any more. Calls that wait are cancelled; what a thread has begun it ends."""
        self._rounds.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: partial[_T], who: str, places: int = 1) -> _T:
        async with self._rounds.turn(who, places):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def check_length(password: str | bytes) -> None:
    """
    Check that a password can be hashed.

    Raises:
        PasswordTooLongError: It has more than 72 bytes.

    """
    if len(_bytes(password)) > LONGEST_PASSWORD:
        raise PasswordTooLongError


def _sound_cost(cost: int) -> int:
    """Return a cost that bcrypt knows, and warn if the one given is none, in etcd's words."""
    if LEAST_COST <= cost <= GREATEST_COST:
        return cost
    fields = {
        "min-cost": LEAST_COST,
        "max-cost": GREATEST_COST,
        "default-cost": DEFAULT_COST,
        "given-cost": cost,
    }
    logger.warning("use default bcrypt cost instead of the invalid given cost", fields)
    return DEFAULT_COST


def _thread_count() -> int:
    # The other cores are for the loop, which would compete with them otherwise.
    return max(1, min(MOST_THREADS, (os.cpu_count() or 1) // 2))


def _yield_to_others() -> None:
    # Of a thread by itself only there. (setpriority(2): "C library/kernel differences")
    if sys.platform == "linux":
        thread = threading.get_native_id()
        inherited = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(inherited + _NICER, _NICEST))


def _bytes(password: str | bytes) -> bytes:
    return password.encode() if isinstance(password, str) else password


def _hash(password: bytes, cost: int) -> bytes:
    # Only who has users needs it.
    import bcrypt

    # The version that Go writes; all since are the same in what they compute.
    return bcrypt.hashpw(password, bcrypt.gensalt(cost, prefix=b"2a"))


def _check(password: bytes, hashed: bytes, cost: int) -> bool:
    import bcrypt

    found = re.match(_HASH, hashed, re.DOTALL)
    if found is None:
        bcrypt.hashpw(password, _salt(cost, b"." * 22))
        return False
    # Of the last character of a salt two bits count. Go passes over the others, where the library
    # refuses them; so they are made 0.
    last = _DIGITS.index(found["last"]) // 16 * 16
    salt = found["salt"] + _DIGITS[last : last + 1]
    computed = bcrypt.hashpw(password, _salt(int(found["cost"]), salt))
    return hmac.compare_digest(computed[-31:], found["hash"])


def _salt(cost: int, salt: bytes) -> bytes:
    return b"$2b$%02d$%b" % (cost, salt)
