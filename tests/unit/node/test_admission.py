"""What each method is asked before it is applied, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.auth.store import AuthStore
from etcdpy.mvcc.attachments import Attachments
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.admission import RULES, Admission
from etcdpy.node.alarms import Alarms
from etcdpy.node.api import NodeApi
from etcdpy.node.guard import Guard
from etcdpy.node.quota import Quota, RequestLimit
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.askers import Asker
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import opened

MOST_BYTES = 300
LEASE = 1


class Trouble:
    """A node with every reason to refuse, until they are taken away one by one."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.alarms = Alarms(self.log, [])
        self.size = 1_000_000
        self.users = AuthStore(self.log)
        self.users.add_user("alice", b"", has_password=True)
        tokens = SimpleTokens(0, MovableClock())
        self.token = tokens.assign("alice", 0)
        self.asker = Asker("unknown")
        quota = Quota(100_000, lambda: self.size, self.alarms, 1)
        limit = RequestLimit(MOST_BYTES, 1)
        self.admission = Admission(quota, limit, self.alarms, 2)
        attachments = Attachments()
        attachments.attach(b"x", LEASE)
        self.admission.guard = Guard(self.users, tokens, attachments, {LEASE}.__contains__)
        self.alarms.activate(1, pb.CORRUPT)
        self.alarms.activate(1, pb.NOSPACE)

    def end(self, reason: str) -> None:
        if reason == "quota":
            self.size = 0
        elif reason == "identity":
            self.asker.token = self.token
        elif reason == "corrupt":
            self.alarms.deactivate(1, pb.CORRUPT)
        elif reason == "no space":
            self.alarms.deactivate(1, pb.NOSPACE)
        elif reason == "permission":
            self.users.grant_role("alice", "root")


def put_txn(*keys: bytes, value: bytes = b"") -> Txn:
    ops = [pb.RequestOp(request_put=pb.PutRequest(key=key, value=value)) for key in keys]
    return Txn.of(pb.TxnRequest(success=ops))


LARGE = b"x" * MOST_BYTES
NOT_THERE: Any = 9

#: Requests of each method: malformed and too large, well formed and too large, good.
REQUESTS: dict[str, tuple[Any, Any, Any]] = {
    "range": (pb.RangeRequest(), pb.RangeRequest(key=LARGE), pb.RangeRequest(key=b"a")),
    "put": (
        pb.PutRequest(value=LARGE),
        pb.PutRequest(key=b"a", value=LARGE),
        pb.PutRequest(key=b"a"),
    ),
    "delete_range": (
        pb.DeleteRangeRequest(range_end=LARGE),
        pb.DeleteRangeRequest(key=LARGE),
        pb.DeleteRangeRequest(key=b"a"),
    ),
    "txn": (put_txn(b"a", b"b", b"c", value=LARGE), put_txn(b"a", value=LARGE), put_txn(b"a")),
    "compact": (pb.CompactionRequest(),) * 3,
    "lease_grant": (pb.LeaseGrantRequest(),) * 3,
    "lease_revoke": (pb.LeaseRevokeRequest(ID=LEASE),) * 3,
    "member_add": (pb.MemberAddRequest(peerURLs=["http://a:1"]),) * 3,
    "alarm": (
        pb.AlarmRequest(action=NOT_THERE),
        *(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE),) * 2,
    ),
    "downgrade": (pb.DowngradeRequest(),) * 3,
    "user_add": (
        pb.AuthUserAddRequest(name=str(LARGE)),
        pb.AuthUserAddRequest(name=str(LARGE)),
        pb.AuthUserAddRequest(),
    ),
}

QUOTA, SIZE = errors.NoSpaceError, errors.RequestTooLargeError
IDENTITY, PERMISSION = errors.InvalidAuthTokenError, errors.PermissionDeniedError
CORRUPT, NO_SPACE = errors.CorruptError, errors.NoSpaceError

#: What each method refuses for, first to last. (spec: etcd's order)
ORDER: dict[str, list[tuple[str, type[Exception]]]] = {
    "range": [
        ("form", errors.EmptyKeyError),
        ("identity", IDENTITY),
        ("permission", PERMISSION),
    ],
    "put": [
        ("quota", QUOTA),
        ("form", errors.EmptyKeyError),
        ("identity", IDENTITY),
        ("size", SIZE),
        ("corrupt", CORRUPT),
        ("no space", NO_SPACE),
        ("permission", PERMISSION),
    ],
    "delete_range": [
        ("form", errors.EmptyKeyError),
        ("identity", IDENTITY),
        ("size", SIZE),
        ("corrupt", CORRUPT),
        ("permission", PERMISSION),
    ],
    "txn": [
        ("quota", QUOTA),
        ("form", errors.TooManyOpsError),
        ("identity", IDENTITY),
        ("size", SIZE),
        ("corrupt", CORRUPT),
        ("no space", NO_SPACE),
        ("permission", PERMISSION),
    ],
    "compact": [("identity", IDENTITY), ("corrupt", CORRUPT), ("permission", PERMISSION)],
    "lease_grant": [
        ("quota", QUOTA),
        ("identity", IDENTITY),
        ("corrupt", CORRUPT),
        ("no space", NO_SPACE),
    ],
    "lease_revoke": [("identity", IDENTITY), ("corrupt", CORRUPT), ("permission", PERMISSION)],
    "alarm": [
        ("form", errors.InvalidAlarmActionError),
        ("identity", IDENTITY),
        ("permission", PERMISSION),
    ],
    "member_add": [
        ("identity", IDENTITY),
        ("permission", PERMISSION),
    ],
    "user_add": [
        ("identity", IDENTITY),
        ("size", SIZE),
        ("permission", PERMISSION),
    ],
    "downgrade": [
        ("identity", IDENTITY),
        ("permission", PERMISSION),
    ],
}


@pytest.mark.parametrize("method", ORDER)
async def test_of_many_reasons_the_one_that_etcd_finds_first_is_given(method: str) -> None:
    trouble = Trouble()
    admit = trouble.admission.gate(method)
    request, large, good = REQUESTS[method]
    for reason, error in ORDER[method]:
        with pytest.raises(error):
            admit(request, trouble.asker)
        if reason == "form":
            request = large
        elif reason == "size":
            request = good
        else:
            trouble.end(reason)
    admit(request, trouble.asker)


async def test_well_formed_put_of_anybody_is_kept_out_as_any_other_is() -> None:
    trouble = Trouble()
    trouble.admission.guard = None
    admit, admit_plain = trouble.admission.gate("put"), trouble.admission.plain_put_gate()
    _, request, good = REQUESTS["put"]
    for reason in ("quota", "size", "corrupt", "no space"):
        with pytest.raises(errors.EtcdError) as known:
            admit(request, trouble.asker)
        with pytest.raises(known.type):
            admit_plain(request, len(request.key) + len(request.value))
        if reason == "size":
            request = good
        else:
            trouble.end(reason)
    admit_plain(request, len(request.key) + len(request.value))


@pytest.mark.parametrize("method", [name for name, rule in RULES.items() if rule.needs_name])
async def test_where_somebody_known_has_to_ask_nobody_else_is_asked_anything_else(
    method: str,
) -> None:
    trouble = Trouble()
    trouble.end("quota")
    trouble.asker.token = None
    with pytest.raises(errors.EmptyUserError):
        trouble.admission.gate(method)(REQUESTS.get(method, (NOT_THERE,))[-1], trouble.asker)


async def test_work_of_the_server_itself_is_not_asked_who_it_is() -> None:
    trouble = Trouble()
    for reason in ("quota", "corrupt", "no space"):
        trouble.end(reason)
    for method, (_, _, good) in REQUESTS.items():
        trouble.admission.gate(method)(good, ANYBODY)


async def test_nobody_is_asked_for_a_token_to_log_in() -> None:
    trouble = Trouble()
    trouble.admission.gate("authenticate")(pb.AuthenticateRequest(), trouble.asker)


async def test_transaction_that_only_reads_is_kept_out_by_no_alarm_and_no_size() -> None:
    trouble = Trouble()
    for reason in ("quota", "identity", "permission"):
        trouble.end(reason)
    op = pb.RequestOp(request_range=pb.RangeRequest(key=LARGE))
    trouble.admission.gate("read_txn")(Txn.of(pb.TxnRequest(success=[op])), trouble.asker)


async def test_write_over_the_quota_raises_the_alarm() -> None:
    trouble = Trouble()
    trouble.end("no space")
    with pytest.raises(errors.NoSpaceError):
        trouble.admission.gate("lease_grant")(pb.LeaseGrantRequest(), ANYBODY)
    assert [alarm.alarm for alarm in trouble.alarms.matching(pb.NOSPACE)] == [pb.NOSPACE]


async def test_without_a_guard_everybody_may_do_everything() -> None:
    trouble = Trouble()
    for reason in ("quota", "corrupt", "no space"):
        trouble.end(reason)
    trouble.admission.guard = None
    for method, (_, _, good) in REQUESTS.items():
        trouble.admission.gate(method)(good, trouble.asker)


def _methods(api: type) -> list[str]:
    is_method: Callable[[str], bool] = lambda name: not name.startswith("_")  # noqa: E731
    return [name for name in vars(api) if is_method(name)]


def test_every_method_of_a_node_has_a_line() -> None:
    assert sorted(RULES) == sorted([*_methods(NodeApi), "read_txn"])


#: Calls that a node answers at once, unless they wait for a large write to end.
CALLS: dict[str, Any] = {
    "range": pb.RangeRequest(key=b"a"),
    "put": pb.PutRequest(key=b"a"),
    "delete_range": pb.DeleteRangeRequest(key=b"a"),
    "txn": put_txn(b"a"),
    "compact": pb.CompactionRequest(revision=1),
    "lease_grant": pb.LeaseGrantRequest(ID=9, TTL=60),
    "lease_revoke": pb.LeaseRevokeRequest(ID=1),
    "lease_keep_alive": pb.LeaseKeepAliveRequest(ID=1),
}


@pytest.mark.parametrize("method", CALLS)
async def test_writes_wait_for_their_turn_as_the_table_says(method: str) -> None:
    async with opened() as timed:
        busy: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timed.node.parts.writer.busy = busy
        call = await timed.begin(getattr(timed.node, method)(CALLS[method], ANYBODY))
        assert call.done() is not RULES[method].turn
        timed.node.parts.writer.busy = None
        busy.set_result(None)
        await timed.settle()
        assert call.done()
        assert call.exception() is None
