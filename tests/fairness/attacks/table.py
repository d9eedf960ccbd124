"""The table of attacks, and what some of them need to be there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.wire import Crowd

Preparation = Callable[[Crowd], None]
Run = Callable[[Crowd], None]


class Attack(NamedTuple):
    """
    An attack.

    Attributes:
        run: Goes on until the crowd's time is over.
        prepare: What is there before; over before anything is measured.
        flags: Of the server; ``{papers}`` stands for where certificates and keys are.
        is_secure: Whether all of it is over TLS, the bystander as well.
        is_certified: Whether clients have to show a certificate.
        user: ``name:password`` of the bystander, if it has to log in, which it goes on doing.
        is_for: What a real etcd must have for it, ``""`` if any has it.

    """

    run: Run
    prepare: Preparation | None = None
    flags: tuple[str, ...] = ()
    is_secure: bool = False
    is_certified: bool = False
    user: str = ""
    is_for: str = ""


#: By their names, which are those of the functions.
ATTACKS: dict[str, Attack] = {}


def attack(
    prepare: Preparation | None = None,
    flags: tuple[str, ...] = (),
    *,
    is_secure: bool = False,
    is_certified: bool = False,
    user: str = "",
    is_for: str = "",
) -> Callable[[Run], Run]:
    """Add an attack to the table, under the function's name; see ``Attack``."""

    def add(run: Run) -> Run:
        ATTACKS[run.__name__] = Attack(
            run, prepare, flags, is_secure or is_certified, is_certified, user, is_for
        )
        return run

    return add


def keys(number: int, size: int = 16, prefix: bytes = b"/keys/") -> Preparation:
    """Return what puts so many keys, with values of that size."""

    def fill(crowd: Crowd) -> None:
        at_once = max(1, min(100, (1 << 19) // (size + 40)))

        def batches() -> list[pb.TxnRequest]:
            requests = []
            for first in range(0, number, at_once):
                request = pb.TxnRequest()
                for i in range(first, min(first + at_once, number)):
                    request.success.add().request_put.CopyFrom(
                        pb.PutRequest(key=prefix + b"%08d" % i, value=bytes(size))
                    )
                requests.append(request)
            return requests

        crowd.each(w.TXN, batches(), at_once=16)

    return fill


ALL_KEYS = pb.RangeRequest(key=b"/keys/", range_end=b"/keys0")

LARGEST_VALUE = pb.RangeRequest(
    key=b"/keys/",
    range_end=b"/keys0",
    sort_target=pb.RangeRequest.VALUE,
    sort_order=pb.RangeRequest.DESCEND,
    limit=1,
)
