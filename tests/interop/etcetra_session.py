"""What a program using etcetra does, step by step.

    python etcetra_session.py host:port [user password]

Runs in an environment of its own, where etcetra is installed, against a new server. Prints a
JSON object that maps each step's name to its result, or to its error's type and text.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from etcetra import (  # type: ignore[import-not-found]  # installed where this runs
    CompareKey,
    EtcdClient,
    EtcdCredential,
    HostPortPair,
    RangeRequestSortOrder,
    RangeRequestSortTarget,
)
from etcetra.errors import EtcetraError  # type: ignore[import-not-found]

Step = Callable[[Any], Awaitable[Any]]

BY_VALUE = {
    "sort_order": RangeRequestSortOrder.DESCEND,
    "sort_target": RangeRequestSortTarget.VALUE,
}
BY_MOD = {
    "sort_order": RangeRequestSortOrder.ASCEND,
    "sort_target": RangeRequestSortTarget.MOD,
}


def _branches(success: Any, failure: Any) -> None:
    success.put("t", "yes")
    success.get("t")
    failure.get("a")


def _every_operation(action: Any) -> None:
    action.get("a")
    action.put("t", "1")
    action.get("t")
    action.delete("c")
    action.get("c")


def _keep_the_value(action: Any) -> None:
    action.put("b", "", ignore_value=True)
    action.get("b")


def _put_twice(action: Any) -> None:
    action.put("k", "1")
    action.put("k", "2")


STEPS: dict[str, Step] = {
    # Revisions 2 to 5.
    "put": lambda e: e.put("a", "1"),
    "put another": lambda e: e.put("b", "2"),
    "put a third": lambda e: e.put("c", "3"),
    "put again": lambda e: e.put("a", "9", prev_kv=True),
    "get": lambda e: e.get("a"),
    "get nothing": lambda e: e.get("missing"),
    "get an old revision": lambda e: e.get("a", revision=2),
    "get with a bound": lambda e: e.get("a", max_mod_revision=4),
    "get_prefix": lambda e: e.get_prefix("a"),
    "get_range": lambda e: e.get_range("a", "c"),
    "get_range, limit": lambda e: e.get_range("a", "z", limit=2),
    "get_range, by value": lambda e: e.get_range("a", "z", **BY_VALUE),
    "get_range, by mod revision": lambda e: e.get_range("a", "z", **BY_MOD),
    "get_range, created early": lambda e: e.get_range("a", "z", max_create_revision=3),
    "get_range, changed late": lambda e: e.get_range("a", "z", min_mod_revision=4),
    "get_range, created late": lambda e: e.get_range("a", "z", min_create_revision=4),
    "get_range, then": lambda e: e.get_range("a", "z", revision=3),
    "keys_prefix": lambda e: e.keys_prefix("b"),
    "keys_range": lambda e: e.keys_range("a", "z"),
    "keys_range, by value": lambda e: e.keys_range("a", "z", **BY_VALUE),
    "directories": lambda e: _directories(e),
    "text beyond ASCII": lambda e: _text(e),
    # The store is at revision 11 now.
    "txn": lambda e: e.txn(_every_operation),
    "txn keeps a value": lambda e: e.txn(_keep_the_value),
    "txn, value ==": lambda e: e.txn_compare([CompareKey("a").value == "9"], _branches),
    "txn, value !=": lambda e: e.txn_compare([CompareKey("a").value != "9"], _branches),
    "txn, value >": lambda e: e.txn_compare([CompareKey("a").value > "8"], _branches),
    # A compare by version, whose operand etcetra sends as (empty) bytes: missing, or not.
    "txn, is missing": lambda e: e.txn_compare([CompareKey("x").version == ""], _branches),
    "txn, is not missing": lambda e: e.txn_compare([CompareKey("a").version > ""], _branches),
    "txn, range": lambda e: e.txn_compare(
        [CompareKey("a", range_end="c").value > "1", CompareKey("a").create > ""], _branches
    ),
    "txn, one fails": lambda e: e.txn_compare(
        [CompareKey("a").value == "9", CompareKey("x").mod != ""], _branches
    ),
    "delete": lambda e: e.delete("a"),
    "delete_range": lambda e: e.delete_range("b", "c"),
    "delete_prefix": lambda e: e.delete_prefix("t"),
    "what is left": lambda e: e.keys_range(" ", "\x7f"),
    "get without a key": lambda e: e.get(""),
    "get a future revision": lambda e: e.get("a", revision=1 << 40),
    "put with an unknown lease": lambda e: e.put("a", "1", lease=0x7001),
    "put without a value": lambda e: e.put("missing", None),
    "txn puts a key twice": lambda e: e.txn(_put_twice),
    "lease": lambda e: _lease(e),
    "lease twice": lambda e: e.grant_lease(100, id=7002),
    "lease revoked twice": lambda e: e.revoke_lease(7001),
    "lease kept alive": lambda e: _keep_alive(e),
    "lease with an id of the server's": lambda e: _chosen_lease(e),
    "lease left alone": lambda e: _left_lease(e),
    "lock": lambda e: _lock(e),
    "lock held by another": lambda e: _lock_twice(),
    "lock passed on": lambda e: _locks_in_turn(e),
}


async def _directories(etcd: Any) -> Any:
    for key in ("/d/1", "/d/2", "/e/1"):
        await etcd.put(key, key)
    found = await etcd.get_prefix("/d/")
    await etcd.delete_prefix("/d/")
    return [found, await etcd.keys_range("/", "0")]


async def _text(etcd: Any) -> Any:
    await etcd.put("ключ", "значение")
    found = await etcd.get_prefix("кл")
    await etcd.delete("ключ")
    return found


async def _lease(etcd: Any) -> Any:
    granted = [await etcd.grant_lease(100, id=7001), await etcd.grant_lease(100, id=7002)]
    await etcd.put("l1", "1", lease=7001)
    await etcd.put("l2", "2", lease=7002)
    await etcd.revoke_lease(7001)
    return [granted, await etcd.get_prefix("l")]


async def _keep_alive(etcd: Any) -> Any:
    await etcd.grant_lease(4, id=7003)
    await etcd.put("kept", "1", lease=7003)
    keeping = etcd.create_lease_keepalive_task(7003, 0.5)
    await asyncio.sleep(4.5)
    kept = await etcd.get("kept")
    keeping.cancel()
    await etcd.revoke_lease(7003)
    return kept


async def _chosen_lease(etcd: Any) -> Any:
    lease = await etcd.grant_lease(100)
    await etcd.put("chosen", "1", lease=lease)
    await etcd.revoke_lease(lease)
    return [lease > 0, await etcd.get("chosen")]


async def _left_lease(etcd: Any) -> Any:
    lease = await etcd.grant_lease(3)
    await etcd.put("left", "1", lease=lease)
    before = await etcd.get("left")
    while await etcd.get("left"):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return [before, None]


async def _locks_in_turn(etcd: Any) -> Any:
    inside = 0
    most = 0

    async def take() -> None:
        nonlocal inside, most
        for _ in range(3):
            async with _client().with_lock("turns", timeout=20):
                inside += 1
                most = max(most, inside)
                await etcd.put("turn", "1")
                inside -= 1

    await asyncio.gather(*(take() for _ in range(6)))
    return [most, await etcd.keys_prefix("turns/")]


async def _lock(etcd: Any) -> Any:
    inside = []
    for ttl in (None, 5):
        async with _client().with_lock("lock", ttl=ttl):
            inside.append(len(await etcd.keys_prefix("lock/")))
    return [inside, await etcd.keys_prefix("lock/")]


async def _lock_twice() -> Any:
    async with _client().with_lock("lock"):
        try:
            async with _client().with_lock("lock", timeout=0.3):
                return "two have it"
        except asyncio.TimeoutError:
            return "in vain"


def _client() -> Any:
    address, *login = sys.argv[1:]
    credentials = EtcdCredential(*login) if login else None
    return EtcdClient(HostPortPair.parse(address), credentials=credentials)


async def _outcome(step: Step, etcd: Any) -> Any:
    try:
        return await step(etcd)
    except EtcetraError as error:
        return f"{type(error).__name__}: {error}"


async def main() -> None:
    async with _client().connect() as etcd:
        outcomes = {name: await _outcome(step, etcd) for name, step in STEPS.items()}
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
