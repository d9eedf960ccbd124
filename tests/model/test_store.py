"""
Thousands of random requests, restarts and crashes: the store answers as the model does.

Limits that only large stores reach are made small, so that slices, the floor of the log of
births and deaths, and compaction in many batches are met all the time.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from etcdpy.mvcc import (
    columns,
    compaction,
    compare,
    gathered,
    index,
    liveness,
    prepared,
    ranges,
    replies,
    short_txn,
    slices,
    store,
    txn,
    txn_plan,
)
from etcdpy.node import compactor
from tests.model.random_walk import RandomWalk
from tests.support.seeds import SEED

STEPS = int(os.environ.get("ETCDPY_MODEL_STEPS", "2500"))

#: How often a step is taken, of all steps.
WEIGHTS = {
    "put": 30,
    "delete_range": 8,
    "txn": 20,
    "range": 25,
    "page": 10,
    "stream": 4,
    "compact": 3,
    "settle": 15,
    "settle_all": 2,
    "restart": 0.3,
    "crash": 0.6,
    "read_everything": 0.3,
}


@pytest.fixture(params=["large", "small", "smallest"])
def _limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    size = {"large": None, "small": 5, "smallest": 1}[request.param]
    if size is None:
        return
    for module in (slices, replies, ranges, store, compare, txn, prepared, gathered, columns):
        monkeypatch.setattr(module, "SLICE", size)
        monkeypatch.setattr(module, "SLICE_BYTES", 100 * size, raising=False)
    monkeypatch.setattr(txn_plan, "MOST_LOOKED_AT", size)
    # Most are short: all of them go in slices here.
    monkeypatch.setattr(short_txn, "_MOST", 0)
    monkeypatch.setattr(index, "MOST_LOOKED_AT", 2 * size)
    monkeypatch.setattr(liveness, "LOG_LENGTH", 4 * size)
    monkeypatch.setattr(liveness, "BLOCK", size)
    monkeypatch.setattr(compaction, "KEYS_PER_SLICE", size)
    monkeypatch.setattr(compactor, "ROWS_PER_BATCH", 2 * size)


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize("number", range(6))
async def test_store_answers_as_the_model_does(number: int) -> None:
    print(f"ETCDPY_SEED={SEED}")
    random = Random(SEED + number)
    async with RandomWalk(random) as walk:
        for step in random.choices([*WEIGHTS], [*WEIGHTS.values()], k=STEPS):
            await getattr(walk, step)()
        await walk.settle_all()
        await walk.read_everything()
        await walk.settle_all()
    assert walk.checked > STEPS / 2
