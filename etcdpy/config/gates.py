"""Feature gates: switches for features that may come or go, as Kubernetes has them."""

from __future__ import annotations

from etcdpy.config.values import BadValueError, parse_boolean, quote

__all__ = ["FeatureGates"]

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


class FeatureGates:
    """``Name=bool,...``: the set of the gates that are open. (etcd: ``featuregate.Set``)"""

    is_boolean = False

    def parse(self, text: str) -> frozenset[str]:
        asked = dict(_pair(item) for item in text.split(",") if item)
        for name in asked:
            if name not in ALPHA | BETA and name not in GROUPS:
                raise BadValueError(f"unrecognized feature gate: {name}")
        enabled = dict.fromkeys(ALPHA, False) | dict.fromkeys(BETA, True)
        # A group has no say over a gate that is named itself.
        for group, members in GROUPS.items():
            if group in asked:
                enabled |= dict.fromkeys(members, asked[group])
        enabled |= {name: value for name, value in asked.items() if name not in GROUPS}
        return frozenset(name for name, value in enabled.items() if value)


def _pair(item: str) -> tuple[str, bool]:
    name, equals, text = (part.strip() for part in item.partition("="))
    if not equals:
        raise BadValueError(f"missing bool value for {name}")
    try:
        return name, parse_boolean(text)
    except BadValueError:
        why = f"strconv.ParseBool: parsing {quote(text)}: invalid syntax"
        raise BadValueError(f"invalid value of {name}={text}, err: {why}") from None
