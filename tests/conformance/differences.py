"""Where a real etcd of another version answers differently from etcd 3.7.1: one table.

The suite may be run against an older etcd than the one etcdpy imitates. Each entry of
``DIFFERENCES`` turns such an etcd's answer into the one etcd 3.7.1 gives, so that nothing goes
uncompared; an entry is used when the reference's own version is below ``fixed_in``. All were seen
between 3.5.1 and 3.7.1; where it is not known when etcd changed, the bound is the later one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError, Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors, older_checks, older_sorts, older_streams
from tests.conformance.peers import METHODS, Ask, Call, Outcome, Peer, operations, ranges

Version = tuple[int, ...]

# No version yet.
NEVER = (99,)

# The first version that lets a transaction without puts pass when the quota is used up. An older
# one refuses even reads, so there is no answer to put right.
FREE_IS_WITHIN_QUOTA = (3, 7)

# The first version whose compaction leaves a tombstone of the very revision compacted at, so that
# a watch from there on sees it. An older one sends nothing, which no entry below can put right.
KEEPS_TOMBSTONES = (3, 7)

# The first version that answers HashKV at a revision it compacted with the hash from before.
REMEMBERS_HASHES = (3, 6)

# The first versions that have these words for an error; an older one has others, or no error.
WORDS_SINCE = {
    "etcdserver: invalid sort option": (3, 7),
    "RangeStream does not support custom sort orders": (3, 7),
    "RangeStream does not support revision filters": (3, 7),
    "etcdserver: revision of auth store is old": (3, 6),
    "bcrypt: password length exceeds 72 bytes": (3, 6),
}

# The first version whose Status tells the quota.
TELLS_QUOTA = (3, 6)

# The first version that stores what etcdpy stores in the buckets beside the keys.
SAME_BUCKETS = (3, 7)

# The first version that refuses requests as etcdpy does before they reach a service.
SAME_REFUSALS = (3, 7)

# The first version that goes down to what etcdpy goes down to.
DOWNGRADES = (3, 7)

# The first version that applies each entry of its log just once when it starts after a kill. An
# older one may end up a few revisions ahead, so there is nothing to compare with.
SURVIVES_KILLS = (3, 5, 3)

# The first version whose Go has the words that etcdpy has for a handshake that fails.
HANDSHAKE_WORDS = (3, 7)

# The first versions that ask of callers, or answer them, what etcd 3.7.1 does, by the beginnings
# of calls. Older ones let more through; where the bound is not known it is the later one.
_RIGHTS_SINCE: dict[str, Version] = {
    "KV/RangeStream": (3, 7),
    "KV/Txn success { request_txn": (3, 7),
    "KV/Txn failure { request_txn": (3, 7),
    'KV/Txn success { request_put { key: "a" prev_kv: true } }': (3, 7),
    'KV/Txn success { request_put { key: "a" lease: 102 } }': (3, 7),
    "KV/Compact": (3, 7),
    "Watch/": (3, 7),
    "Lease/": (3, 7),
    "Cluster/MemberList": (3, 7),
    "Maintenance/": (3, 7),
    "Auth/AuthStatus": (3, 7),
    'Auth/UserAdd name: "new" password: "x*73"': (3, 7),
    'Auth/UserChangePassword name: "nobody" password: "x*73"': (3, 7),
    'Auth/RoleGrantPermission name: "reads" perm': (3, 7),
    'Auth/RoleGrantPermission name: "none" perm { key: "b"': (3, 7),
    "Health/List": (3, 7),
}


def same_rights_since(call: str) -> Version:
    """Return the first version that asks callers the same; calls are named by ``auth_calls``."""
    return max(
        (since for name, since in _RIGHTS_SINCE.items() if call.startswith(name)), default=()
    )


# The first versions that answer requests of HTTP as 3.7.1 does, by what they are about.
HTTP_SINCE: dict[str, Version] = {
    # The version of what is stored is told since then.
    "/version": (3, 6),
    # Both they and /readyz are new. (3.4.29 and 3.5.11 got them as well)
    "/livez": (3, 5, 11),
    # The gateway told errors twice, and in other words.
    "gateway": (3, 6),
    # What Go's libraries say, of which 3.7 has those of a newer Go: a better form of a path is
    # told with 307, not 301; escapes part no path; and some refusals have other words.
    "redirect": (3, 7),
    "/a%2f%2fb": (3, 7),
    "malformed": (3, 7),
}

# The version etcdpy answers as.
TARGET_VERSION = (3, 7, 1)
TARGET = ".".join(map(str, TARGET_VERSION))


@dataclass(frozen=True)
class Difference:
    """One thing that etcd changed.

    Attributes:
        fixed_in: The first version that answers as 3.7.1 does.
        concerns: Whether a call can meet the difference.
        expected: Finds 3.7.1's answer; may ask the reference something else instead.
    """

    reason: str
    fixed_in: Version
    concerns: Callable[[Call], bool]
    expected: Callable[[Ask, Call], Outcome]


def comparable(outcome: Outcome) -> Outcome:
    """Return the outcome without the fields that may differ."""
    if outcome.error:
        return _comparable_error(outcome)
    change = _COMPARABLE.get(outcome.method.reply)
    return outcome.map(change) if change else outcome


def _comparable_error(outcome: Outcome) -> Outcome:
    # Go's protobuf writes this space as one that does not break, or not, depending on the build.
    return replace(outcome, details=outcome.details.replace("proto:\xa0", "proto: "))


def _comparable_status(reply: pb.StatusResponse) -> None:
    # These tell of the server's own disk and log.
    reply.dbSize = reply.dbSizeInUse = reply.raftIndex = reply.raftAppliedIndex = 0
    # Whether one or two spaces part a member from its alarm depends on etcd's build.
    reply.errors[:] = sorted(" ".join(error.split()) for error in reply.errors)


def _comparable_alarms(reply: pb.AlarmResponse) -> None:
    # etcd keeps alarms in a map, and lists them in any order.
    reply.alarms.sort(key=lambda alarm: (alarm.memberID, alarm.alarm))


_COMPARABLE: dict[type[Message], Callable[[Any], None]] = {
    pb.StatusResponse: _comparable_status,
    pb.AlarmResponse: _comparable_alarms,
}


def in_etcds_words(outcome: Outcome) -> Outcome:
    """Return what grpcio's own server answers before it gets to a handler, as etcd would say it."""
    if outcome.details.startswith("Unexpected <class 'google.protobuf.message.DecodeError'>"):
        return Outcome.failed(outcome.method, errors.UNDECODABLE)
    text = outcome.details.replace(
        "SERVER: Received message larger", "grpc: received message larger"
    )
    return replace(outcome, details=text)


def corrected(reference: Peer) -> Ask:
    """Return a function that asks the reference and answers as etcd 3.7.1 would."""
    version = version_of(reference)
    ask: Ask = reference.send
    for difference in reversed(DIFFERENCES):
        if version < difference.fixed_in:
            ask = partial(_correct, difference, ask)
    return ask


def _correct(difference: Difference, ask: Ask, call: Call) -> Outcome:
    return difference.expected(ask, call) if difference.concerns(call) else ask(call)


def version_of(reference: Peer) -> Version:
    status = reference.send(Call.of(pb.StatusRequest())).reply
    # A pre-release counts as its release: 3.7.0-rc.0 -> (3, 7, 0).
    return tuple(int(part) for part in status.version.partition("-")[0].split("."))


# -------------------- the lease of a key whose value is not read


def _wants_keys_only(call: Call) -> bool:
    return any(_loses_lease(request) for request in ranges(call.request))


def _loses_lease(request: pb.RangeRequest) -> bool:
    return request.keys_only and request.sort_target != pb.RangeRequest.VALUE


def _without_leases(ask: Ask, call: Call) -> Outcome:
    return ask(call).map(partial(_clear_leases, call.request))


def _clear_leases(request: Any, reply: Any) -> None:
    if isinstance(request, pb.RangeRequest) and _loses_lease(request):
        for kv in reply.kvs:
            kv.lease = 0
    elif isinstance(request, pb.TxnRequest):
        ops = request.success if reply.succeeded else request.failure
        for op, answer in zip(ops, reply.responses, strict=True):
            if op.HasField("request_range"):
                _clear_leases(op.request_range, answer.response_range)
            elif op.HasField("request_txn"):
                _clear_leases(op.request_txn, answer.response_txn)


# -------------------- two alarms at once


def _writes(call: Call) -> bool:
    return isinstance(call.request, (pb.PutRequest, pb.TxnRequest, pb.LeaseGrantRequest))


def _corrupt_first(ask: Ask, call: Call) -> Outcome:
    outcome = ask(call)
    if outcome.error == errors.NO_SPACE and _is_on(ask, pb.CORRUPT):
        return Outcome.failed(call.method, errors.CORRUPT)
    return outcome


def _is_on(ask: Ask, alarm: pb.AlarmType.ValueType) -> bool:
    return bool(ask(Call.of(pb.AlarmRequest(alarm=alarm))).reply.alarms)


# -------------------- what a nested transaction costs


def _has_nested_put(call: Call) -> bool:
    return isinstance(call.request, pb.TxnRequest) and any(
        op.HasField("request_put")
        for nested in (*call.request.success, *call.request.failure)
        for op in operations(nested.request_txn)
    )


def _with_nested_cost(ask: Ask, call: Call) -> Outcome:
    if not _is_on(ask, pb.NOSPACE):
        return ask(call)
    # Give it a cost the older server can see. It will not be run: that is what the alarm is for.
    request = pb.TxnRequest()
    assert isinstance(call.request, pb.TxnRequest)
    request.CopyFrom(call.request)
    request.failure.add().request_put.key = b"\0cost"
    return ask(Call(call.method, request))


# -------------------- requests that are given in bytes


def _is_encoded(call: Call) -> bool:
    return isinstance(call.request, bytes) and call.method in METHODS.values()


def _encoded_again(ask: Ask, call: Call) -> Outcome:
    kind = next(kind for kind, method in METHODS.items() if method is call.method)
    try:
        request = kind.FromString(call.payload)
        request.DiscardUnknownFields()
    except DecodeError as error:
        if "MaxDepth" in str(error):
            return ask(call)  # too deep for Python to say what it is, but not for etcd
        return Outcome.failed(call.method, errors.UNDECODABLE)
    return ask(Call(call.method, request))


# -------------------- fields that are new


def _is(kind: type[Message]) -> Callable[[Call], bool]:
    return lambda call: isinstance(call.request, kind)


def _newer_status(ask: Ask, call: Call) -> Outcome:
    def fill(reply: pb.StatusResponse) -> None:
        reply.version = TARGET
        reply.storageVersion = "3.7.0"
        reply.dbSizeQuota = 2 << 30
        reply.downgradeInfo.SetInParent()

    return ask(call).map(fill)


def _newer_hash(ask: Ask, call: Call) -> Outcome:
    def fill(reply: pb.HashKVResponse) -> None:
        assert isinstance(call.request, pb.HashKVRequest)
        reply.hash_revision = call.request.revision or reply.header.revision

    return ask(call).map(fill)


DIFFERENCES = (
    Difference(
        reason="a stream with a sort target and no order sorts each chunk by itself, and so "
        "repeats keys and leaves others out; here its messages, concatenated, are Range's reply",
        fixed_in=NEVER,
        concerns=older_streams.has_target_alone,
        expected=older_streams.streamed,
    ),
    Difference(
        reason="RangeStream is new in 3.7; its messages, concatenated, are Range's reply",
        fixed_in=(3, 7),
        concerns=older_streams.is_stream,
        expected=older_streams.streamed,
    ),
    Difference(
        reason="an unknown sort option ends the server's process instead of the call",
        fixed_in=(3, 6),
        concerns=older_sorts.has_unknown_sort,
        expected=older_sorts.refuse_unknown_sort,
    ),
    Difference(
        reason="keys_only is answered from the index, which knows no leases, since 3.7",
        fixed_in=(3, 7),
        concerns=_wants_keys_only,
        expected=_without_leases,
    ),
    Difference(
        reason="Go's sort may put many equals in any order, and does so more before Go 1.19",
        fixed_in=NEVER,
        concerns=older_sorts.may_have_ties,
        expected=older_sorts.in_stable_order,
    ),
    Difference(
        reason="a transaction's puts used to be checked before its ranges, and keys before leases",
        fixed_in=(3, 7),
        concerns=older_checks.is_txn,
        expected=older_checks.in_order,
    ),
    Difference(
        reason="of two alarms the one that was raised last used to answer, now it is CORRUPT",
        fixed_in=(3, 7),
        concerns=_writes,
        expected=_corrupt_first,
    ),
    Difference(
        reason="puts of nested transactions used to cost nothing, and passed a NOSPACE alarm",
        fixed_in=(3, 7),
        concerns=_has_nested_put,
        expected=_with_nested_cost,
    ),
    Difference(
        reason="the protobuf library is another since 3.7: the old one refused a known field of "
        "another wire type, and made of an encoded but empty range_end every key from there on",
        fixed_in=(3, 7),
        concerns=_is_encoded,
        expected=_encoded_again,
    ),
    Difference(
        reason="Status tells its version, and since 3.6 storage version, quota and downgrade",
        fixed_in=(3, 7, 1),
        concerns=_is(pb.StatusRequest),
        expected=_newer_status,
    ),
    Difference(
        reason="HashKV names the revision it hashed since 3.6",
        fixed_in=(3, 6),
        concerns=_is(pb.HashKVRequest),
        expected=_newer_hash,
    ),
)

# The first version whose figures have all the names that etcdpy's have.
METRICS_SINCE: Version = (3, 7)
