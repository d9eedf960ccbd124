"""Feature gates are read as Kubernetes reads them."""

from __future__ import annotations

import pytest

from etcdpy.config import load
from etcdpy.config.gates import ALPHA, FeatureGates
from etcdpy.config.values import BadValueError

DEFAULT = {"TxnModeWriteWithSharedBuffer", "FastLeaseKeepAlive"}
PERSIST = "LeaseCheckpointPersist"
CHECKPOINTS = {"LeaseCheckpoint", PERSIST}


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("", DEFAULT),
        (",,", DEFAULT),
        ("LeaseCheckpoint=true", DEFAULT | {"LeaseCheckpoint"}),
        (" LeaseCheckpoint = t ,LeaseCheckpointPersist=1", DEFAULT | CHECKPOINTS),
        ("LeaseCheckpoint=true,LeaseCheckpoint=false", DEFAULT),
        ("FastLeaseKeepAlive=false", {"TxnModeWriteWithSharedBuffer"}),
        ("AllBeta=false", set()),
        ("AllBeta=false,FastLeaseKeepAlive=true", {"FastLeaseKeepAlive"}),
    ],
)
def test_gates_that_are_open(text: str, opened: set[str]) -> None:
    assert FeatureGates().parse(text).opened == opened


def test_gate_that_is_named_does_not_follow_its_group() -> None:
    gates = FeatureGates().parse("LeaseCheckpoint=false,AllAlpha=true")
    assert "LeaseCheckpoint" not in gates
    assert "LeaseCheckpointPersist" in gates


@pytest.mark.parametrize(
    ("texts", "opened"),
    [
        (["LeaseCheckpoint=true", "LeaseCheckpointPersist=true"], DEFAULT | CHECKPOINTS),
        (["LeaseCheckpoint=true", ""], DEFAULT | {"LeaseCheckpoint"}),
        (["LeaseCheckpoint=true", "LeaseCheckpoint=false"], DEFAULT),
        (["LeaseCheckpoint=false", "LeaseCheckpoint=true"], DEFAULT | {"LeaseCheckpoint"}),
        (["FastLeaseKeepAlive=false", "AllBeta=true"], {"TxnModeWriteWithSharedBuffer"}),
        (["AllBeta=false", "FastLeaseKeepAlive=true"], {"FastLeaseKeepAlive"}),
        # The first mention has set each of them, and a group changes none that is set.
        (["AllAlpha=true", "AllAlpha=false"], DEFAULT | ALPHA),
        (["AllAlpha=true", "AllAlpha=false,LeaseCheckpointPersist=0"], DEFAULT | ALPHA - {PERSIST}),
    ],
)
def test_flag_given_again_goes_on_from_before(texts: list[str], opened: set[str]) -> None:
    config = load([f"--feature-gates={text}" for text in texts], {}, lambda *_: None)
    assert config.feature_gates.opened == opened


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Foo=true", "unrecognized feature gate: Foo"),
        ("Foo", "missing bool value for Foo"),
        (
            "X=maybe",
            'invalid value of X=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
    ],
)
def test_texts_that_are_refused(text: str, why: str) -> None:
    with pytest.raises(BadValueError) as refusal:
        FeatureGates().parse(text)
    assert str(refusal.value) == why
