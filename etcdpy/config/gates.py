"""Feature gates: switches for features that may come or go, as Kubernetes has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from etcdpy.config.values import BadValueError, parse_boolean
from etcdpy.gostd.quoting import go_quote

__all__ = ["FeatureGates", "Gates"]

#: Every gate of etcd 3.7 that is in alpha, all of them off by default.
ALPHA = frozenset(
    {
        "StopGRPCServiceOnDefrag",
        "InitialCorruptCheck",
        "CompactHashCheck",
        "LeaseCheckpoint",
        "LeaseCheckpointPersist",
        "SetMemberLocalAddr",
        "PriorityRequest",
    }
)
#: Those in beta, all of them on by default.
BETA = frozenset({"TxnModeWriteWithSharedBuffer", "FastLeaseKeepAlive"})
#: Gates that stand for many.
GROUPS = {"AllAlpha": ALPHA, "AllBeta": BETA}


class Gates:
    """
    Gates, open or shut: ``name in gates`` tells which.

    Args:
        said: What each mention of the setting says, in order. (etcd: every ``Set`` goes on
            from the one before.)

    """

    def __init__(self, said: tuple[Mapping[str, bool], ...] = ()) -> None:
        self.said = said

    @cached_property
    def named(self) -> Mapping[str, bool]:
        """What the mentions add up to; gates that none of them is about are left out."""
        named: dict[str, bool] = {}
        for mention in self.said:
            named |= mention
            # A group has no say over a gate that was named itself, in this mention or before,
            # nor over one that an earlier mention of a group has set.
            for group in GROUPS.keys() & mention.keys():
                named = dict.fromkeys(GROUPS[group], mention[group]) | named
        return named

    @cached_property
    def opened(self) -> frozenset[str]:
        """The names of those that are open."""
        enabled = {**dict.fromkeys(ALPHA, False), **dict.fromkeys(BETA, True), **self.named}
        return frozenset(name for name in ALPHA | BETA if enabled[name])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gates) and self.said == other.said

    def __hash__(self) -> int:
        return hash(tuple(tuple(mention.items()) for mention in self.said))

    def __contains__(self, name: str) -> bool:
        return name in self.opened

    def __str__(self) -> str:
        """As etcd's log shows them: ``A=true,B=false``."""
        return ",".join(f"{name}={str(self.named[name]).lower()}" for name in sorted(self.named))

    def __add__(self, later: Gates) -> Gates:
        return Gates(self.said + later.said)


class FeatureGates:
    """``Name=bool,...``: gates to open or shut. (etcd: ``featuregate.Set``)"""

    is_boolean = False

    def parse(self, text: str) -> Gates:
        # Empty items are passed over, and of a name that comes twice the last one counts.
        asked = dict(_pair(item) for item in text.split(",") if item)
        for name in asked:
            if name not in ALPHA | BETA and name not in GROUPS:
                raise BadValueError(f"unrecognized feature gate: {name}")
        return Gates((asked,))


def _pair(item: str) -> tuple[str, bool]:
    name, equals, text = (part.strip() for part in item.partition("="))
    if not equals:
        raise BadValueError(f"missing bool value for {name}")
    try:
        return name, parse_boolean(text)
    except BadValueError:
        why = f"strconv.ParseBool: parsing {go_quote(text)}: invalid syntax"
        raise BadValueError(f"invalid value of {name}={text}, err: {why}") from None
