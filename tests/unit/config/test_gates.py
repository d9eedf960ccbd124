"""Feature gates are read as Kubernetes reads them, and the times of an election as etcd does."""

from __future__ import annotations

import pytest

from etcdpy.config import Config, InvalidConfigError, load
from etcdpy.config.check import check
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


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"heartbeat_interval": 0}, "--heartbeat-interval must be >0 (set to 0ms)"),
        ({"election_timeout": 0}, "--election-timeout must be >0 (set to 0ms)"),
        (
            {"election_timeout": 499},
            "--election-timeout[499ms] should be at least as 5 times as "
            "--heartbeat-interval[100ms]",
        ),
        (
            {"election_timeout": 50001},
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
        ),
        (
            {"feature_gates": FeatureGates().parse("LeaseCheckpointPersist=true")},
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
            "LeaseCheckpoint",
        ),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        check(Config(**settings), (), lambda *_: None)  # type: ignore[arg-type]
    assert str(refusal.value) == why


def test_checkpoints_that_are_not_persisted_are_remarked_on() -> None:
    notes: list[str] = []
    config = Config(feature_gates=FeatureGates().parse("LeaseCheckpoint=true"))
    check(config, (), lambda level, message, _: notes.append(f"{level}: {message}"))
    assert (
        "warn: Detected that checkpointing is enabled without persistence. Consider enabling "
        "feature gate LeaseCheckpointPersist" in notes
    )


@pytest.mark.parametrize(
    ("heartbeat", "election", "election_seconds", "shortest"),
    [(100, 1000, 1.0, 2), (500, 5000, 5.0, 8), (100, 500, 0.5, 1), (300, 1700, 1.5, 3)],
)
def test_what_follows_from_the_election_timeout(
    heartbeat: int, election: int, election_seconds: float, shortest: int
) -> None:
    config = Config(heartbeat_interval=heartbeat, election_timeout=election)
    assert config.election_seconds == election_seconds
    assert config.request_timeout == 5 + 2 * election_seconds
    assert config.min_lease_ttl == shortest
