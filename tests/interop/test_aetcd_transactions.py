"""aetcd's transactions: every compare and operation, against etcdpy and a real etcd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aetcd
import pytest

from tests.interop.aetcd_clients import Both, keys

_txn = aetcd.client.Transactions()
value, version, create, mod = _txn.value, _txn.version, _txn.create, _txn.mod
put, get, delete, txn = _txn.put, _txn.get, _txn.delete, _txn.txn


async def test_replace(both: Both) -> None:
    assert await both.answer(lambda c: c.replace(b"a", b"9", b"10")) is True
    assert await both.answer(lambda c: c.replace(b"a", b"9", b"11")) is False
    assert await both.answer(lambda c: c.replace(b"missing", b"", b"x")) is False
    assert (await both.answer(lambda c: c.get(b"a"))).value == b"10"


async def test_put_if_the_key_is_not_there(both: Both) -> None:
    async def put_once(client: aetcd.Client) -> Any:
        return await client.transaction(
            compare=[version(b"once") == 0],
            success=[put(b"once", b"1")],
            failure=[get(b"once")],
        )

    assert (await both.answer(put_once))[0] is True
    succeeded, ((found,),) = await both.answer(put_once)
    assert not succeeded
    assert found[0] == b"1"


# What holds in a store of a=9 (version 2), b=2 and c=3; r is the revision that put a=1.
COMPARES: Mapping[str, tuple[Callable[[int], Any], bool]] = {
    "value ==": (lambda r: value(b"a") == b"9", True),
    "value !=": (lambda r: value(b"a") != b"9", False),
    "value <": (lambda r: value(b"a") < b"91", True),
    "value >": (lambda r: value(b"a") > b"9", False),
    "version ==": (lambda r: version(b"a") == 2, True),
    "version !=": (lambda r: version(b"a") != 1, True),
    "version <": (lambda r: version(b"a") < 2, False),
    "version >": (lambda r: version(b"a") > 1, True),
    "create ==": (lambda r: create(b"a") == r, True),
    "create !=": (lambda r: create(b"a") != r, False),
    "create <": (lambda r: create(b"a") < r + 1, True),
    "create >": (lambda r: create(b"a") > r, False),
    "mod ==": (lambda r: mod(b"a") == r + 3, True),
    "mod !=": (lambda r: mod(b"a") != r + 3, False),
    "mod <": (lambda r: mod(b"a") < r + 3, False),
    "mod >": (lambda r: mod(b"a") > r, True),
    "value of a missing key ==": (lambda r: value(b"x") == b"", False),
    "value of a missing key !=": (lambda r: value(b"x") != b"1", False),
    "version of a missing key ==": (lambda r: version(b"x") == 0, True),
    "mod of a missing key <": (lambda r: mod(b"x") < 1, True),
    "range, all": (lambda r: version(b"a", b"z") > 0, True),
    "range, not all": (lambda r: create(b"a", b"z") < r + 2, False),
    "range, values": (lambda r: value(b"b", b"d") < b"4", True),
    "range, empty": (lambda r: version(b"x", b"z") == 0, True),
}


@pytest.mark.parametrize("name", COMPARES)
async def test_transaction_compares(both: Both, name: str) -> None:
    compare, holds = COMPARES[name]
    first = (await both.answer(lambda c: c.get(b"a"))).create_revision
    succeeded, responses = await both.answer(
        lambda c: c.transaction(
            compare=[compare(first)], success=[get(b"a")], failure=[get(b"b"), get(b"c")]
        )
    )
    assert succeeded is holds
    assert len(responses) == (1 if holds else 2)


async def test_transaction_runs_every_operation(both: Both) -> None:
    succeeded, responses = await both.answer(
        lambda c: c.transaction(
            compare=[value(b"a") == b"9", version(b"missing") == 0],
            success=[
                put(b"d", b"4", prev_kv=True),
                get(b"a", b"z"),
                delete(b"b", prev_kv=True),
                delete(b"x", b"z"),
                txn(compare=[version(b"d") == 0], success=[put(b"e", b"5")], failure=[]),
                get(b"missing"),
            ],
            failure=[],
        )
    )
    assert succeeded
    assert [data for data, _ in responses[1]] == [b"9", b"2", b"3", b"4"]
    assert responses[2].response_delete_range.prev_kvs[0].value == b"2"
    assert responses[4].response_txn.succeeded
    assert responses[5] == []
    assert keys(await both.answer(lambda c: c.get_all())) == [b"a", b"c", b"d", b"e"]
