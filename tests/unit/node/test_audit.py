"""Who has changed what, and who was refused, is written down; and nothing secret is."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from etcdpy.auth.identity import Identity
from etcdpy.errors import WatchRefusedError
from etcdpy.node.admission import RULES
from etcdpy.node.audit import METHODS, Auditor, Stamps, gap_line
from etcdpy.node.audit_lines import MOST_OF_A_KEY
from etcdpy.node.caller import Internal
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission
from etcdpy.storage import StorageError
from tests.unit.node.askers import Asker
from tests.unit.node.audited import Audited, Lines, audited, words
from tests.unit.watch.fake_writer import FakeWriter


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Audited]:
    async with audited(tmp_path) as site:
        yield site


def op_put(key: bytes, value: bytes = b"v") -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))


def op_delete(key: bytes, end: bytes = b"") -> pb.RequestOp:
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key, range_end=end))


def op_get(key: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_range=pb.RangeRequest(key=key))


# ------------------------------------------------------------------------ what a line has


async def test_line_says_when_what_and_who(site: Audited) -> None:
    await site.put(b"a")
    assert site.news() == [
        {
            "ts": "2023-11-14T22:13:20.000000Z",
            "method": "/a.B/C",
            "peer": "ipv4:10.0.0.1:5000",
            "user_agent": "test/1",
            "revision": 2,
            "ops": [{"op": "put", "key": "a"}],
            "code": "OK",
        }
    ]


async def test_certificate_is_told_whether_or_not_it_is_looked_at(site: Audited) -> None:
    await site.put(b"a", Asker(certificate_name="alice"))
    assert site.news()[0]["certificate"] == "alice"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250000Z"),
        (1_700_000_059.75, "2023-11-14T22:14:19.750000Z"),
    ],
)
def test_moment_is_written_in_utc(seconds: float, text: str) -> None:
    assert Stamps(lambda: seconds).now() == text


def test_gap_says_how_many_are_missing() -> None:
    assert json.loads(gap_line("then", 7)) == {
        "ts": "then",
        "method": "internal:audit",
        "peer": "internal",
        "lost": 7,
        "code": "DATA_LOSS",
    }


async def test_start_and_stop_say_at_which_revision(tmp_path: Path) -> None:
    async with audited(tmp_path) as site:
        await site.put(b"a")
        site.news()
    assert [(line["method"], line["revision"]) for line in site.news()] == [("internal:stop", 2)]


def test_callers_that_come_and_go_are_not_remembered_for_ever() -> None:
    lines = Lines()
    auditor = Auditor(lines, lambda: 0.0, words)
    for number in range(10_000):
        caller = Internal(str(number))
        auditor.put(pb.PutRequest(key=b"a"), caller, Identity("u", None), 2)
    assert len(lines.texts) == 10_000
    assert len(auditor._actors) < 5000


# ------------------------------------------------------------------------------- changes


async def test_deletion_says_how_many_keys_it_has_deleted(site: Audited) -> None:
    for key in (b"a", b"b", b"c"):
        await site.put(key)
    site.news()
    await site.ask("delete_range", pb.DeleteRangeRequest(key=b"a", range_end=b"c"))
    await site.ask("delete_range", pb.DeleteRangeRequest(key=b"x"))
    deleted = {"op": "delete", "key": "a", "range_end": "c", "deleted": 2}
    assert site.told() == [
        {"revision": 5, "ops": [deleted], "code": "OK"},
        {"revision": 5, "ops": [{"op": "delete", "key": "x", "deleted": 0}], "code": "OK"},
    ]


async def test_large_deletion_is_one_line(site: Audited) -> None:
    for first in range(0, 3000, 100):
        ops = [op_put(b"%05d" % number) for number in range(first, first + 100)]
        await site.txn(pb.TxnRequest(success=ops))
    site.news()
    await site.ask("delete_range", pb.DeleteRangeRequest(key=b"0", range_end=b"1"))
    (line,) = site.told()
    assert line["ops"] == [{"op": "delete", "key": "0", "range_end": "1", "deleted": 3000}]


async def test_transaction_tells_of_the_branch_it_took(site: Audited) -> None:
    missing = pb.Compare(key=b"a", target=pb.Compare.VERSION, version=0)
    inner = pb.TxnRequest(compare=[missing], success=[op_put(b"in")], failure=[op_delete(b"in")])
    outer = pb.TxnRequest(
        compare=[missing],
        success=[op_get(b"g"), op_put(b"a"), pb.RequestOp(request_txn=inner)],
        failure=[op_delete(b"a"), pb.RequestOp(request_txn=inner)],
    )
    await site.txn(outer)
    await site.txn(outer)
    assert [line["ops"] for line in site.told()] == [
        [{"op": "put", "key": "a"}, {"op": "put", "key": "in"}],
        [
            {"op": "delete", "key": "a", "deleted": 1},
            {"op": "delete", "key": "in", "deleted": 1},
        ],
    ]


async def test_transaction_that_writes_nothing_is_no_change(site: Audited) -> None:
    await site.txn(pb.TxnRequest(failure=[op_put(b"a")]))
    await site.txn(pb.TxnRequest(success=[op_get(b"a")]))
    await site.txn(pb.TxnRequest(success=[op_delete(b"a")]))
    assert site.told() == []


async def test_leases_are_told_of_with_the_keys_that_go_with_them(site: Audited) -> None:
    await site.ask("lease_grant", pb.LeaseGrantRequest(ID=255, TTL=60))
    await site.put(b"b", lease=255)
    await site.put(b"a", lease=255)
    await site.ask("lease_revoke", pb.LeaseRevokeRequest(ID=255))
    name = "00000000000000ff"
    gone = [{"op": "delete", "key": "a"}, {"op": "delete", "key": "b"}]
    assert site.told() == [
        {"target": {"lease": name, "ttl": 60}, "code": "OK"},
        {"revision": 2, "ops": [{"op": "put", "key": "b", "lease": name}], "code": "OK"},
        {"revision": 3, "ops": [{"op": "put", "key": "a", "lease": name}], "code": "OK"},
        {"revision": 4, "target": {"lease": name}, "ops": gone, "deleted": 2, "code": "OK"},
    ]


async def test_lease_that_runs_out_is_work_of_the_server(site: Audited) -> None:
    await site.ask("lease_grant", pb.LeaseGrantRequest(ID=1, TTL=60))
    await site.put(b"a", lease=1)
    site.news()
    await site.clock.advance(100)
    await site.settle()
    (line,) = site.news()
    assert line["method"] == "/etcdserverpb.Lease/LeaseRevoke"
    assert line["peer"] == "internal:lease expiry"
    assert line["ops"] == [{"op": "delete", "key": "a"}]


async def test_lease_of_very_many_keys_is_one_line_of_bounded_length(site: Audited) -> None:
    await site.ask("lease_grant", pb.LeaseGrantRequest(ID=1, TTL=60))
    for first in range(0, 5000, 100):
        puts = [pb.PutRequest(key=b"%050d" % (first + i), lease=1) for i in range(100)]
        await site.txn(pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts]))
    site.news()
    await site.ask("lease_revoke", pb.LeaseRevokeRequest(ID=1))
    (line,) = site.told()
    assert line["deleted"] == 5000
    assert line["ops_cut"] == 5000 - len(line["ops"])
    assert len(json.dumps(line)) < 50_000


CHANGES = [
    ("compact", pb.CompactionRequest(revision=2), {"revision": 2}),
    (
        "alarm",
        pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=10, alarm=pb.NOSPACE),
        {"action": "ACTIVATE", "alarm": "NOSPACE", "member": "a"},
    ),
    (
        "member_add",
        pb.MemberAddRequest(peerURLs=["http://10.0.0.9:2380"], isLearner=True),
        {"peer_urls": "http://10.0.0.9:2380", "learner": True},
    ),
    ("user_add", pb.AuthUserAddRequest(name="bob", password="p"), {"user": "bob"}),
    (
        "user_change_password",
        pb.AuthUserChangePasswordRequest(name="alice", password="p"),
        {"user": "alice"},
    ),
    (
        "user_grant_role",
        pb.AuthUserGrantRoleRequest(user="alice", role="other"),
        {"user": "alice", "role": "other"},
    ),
    (
        "user_revoke_role",
        pb.AuthUserRevokeRoleRequest(name="alice", role="reader"),
        {"user": "alice", "role": "reader"},
    ),
    ("user_delete", pb.AuthUserDeleteRequest(name="alice"), {"user": "alice"}),
    ("role_add", pb.AuthRoleAddRequest(name="new"), {"role": "new"}),
    ("role_delete", pb.AuthRoleDeleteRequest(role="other"), {"role": "other"}),
    (
        "role_grant_permission",
        pb.AuthRoleGrantPermissionRequest(
            name="other", perm=Permission(permType=Permission.WRITE, key=b"a", range_end=b"b")
        ),
        {"role": "other", "permission": "WRITE", "key": "a", "range_end": "b"},
    ),
    (
        "role_revoke_permission",
        pb.AuthRoleRevokePermissionRequest(role="reader", key=b"k"),
        {"role": "reader", "key": "k"},
    ),
    ("auth_enable", pb.AuthEnableRequest(), None),
    (
        "downgrade",
        pb.DowngradeRequest(action=pb.DowngradeRequest.CANCEL),
        {"action": "CANCEL", "version": ""},
    ),
    ("defragment", pb.DefragmentRequest(), None),
]


@pytest.mark.parametrize(("method", "request_", "target"), CHANGES, ids=[c[0] for c in CHANGES])
async def test_change_is_told_of_and_so_is_one_that_fails(
    site: Audited, method: str, request_: Any, target: dict[str, Any] | None
) -> None:
    await site.put(b"a")
    await _make_users(site)
    site.news()
    first, second = [await site.ask(method, request_) for _ in range(2)]
    lines = site.told()
    assert [line.get("target") for line in lines] == [target, target]
    assert [line["code"] for line in lines] == [_code(first), _code(second)]


def _code(reply: Any) -> str:
    return type(reply).__name__ if isinstance(reply, Exception) else "OK"


async def _make_users(site: Audited) -> None:
    for name, role in (("root", "root"), ("alice", "reader")):
        await site.ask("role_add", pb.AuthRoleAddRequest(name=role))
        await site.ask("user_add", pb.AuthUserAddRequest(name=name, password=name))
        await site.ask("user_grant_role", pb.AuthUserGrantRoleRequest(user=name, role=role))
    await site.ask("role_add", pb.AuthRoleAddRequest(name="other"))
    permission = Permission(permType=Permission.READ, key=b"k")
    grant = pb.AuthRoleGrantPermissionRequest(name="reader", perm=permission)
    await site.ask("role_grant_permission", grant)


async def test_alarm_that_the_server_raises_is_told_of_once(tmp_path: Path) -> None:
    async with audited(tmp_path, quota_backend_bytes=1) as site:
        await site.put(b"a")
        await site.put(b"b")
        raised, *refused = site.news()
    assert raised["peer"] == "internal:quota"
    assert raised["method"] == "/etcdserverpb.Maintenance/Alarm"
    assert raised["target"]["alarm"] == "NOSPACE"
    assert [line["code"] for line in refused] == ["NoSpaceError", "NoSpaceError"]


async def test_automatic_compaction_is_work_of_the_server(site: Audited) -> None:
    await site.put(b"a")
    site.news()
    caller = Internal("automatic compaction")
    await site.ask("compact", pb.CompactionRequest(revision=2), caller)
    (line,) = site.news()
    assert line["method"] == "/etcdserverpb.KV/Compact"
    assert line["peer"] == "internal:automatic compaction"


async def test_lines_are_in_the_order_of_revisions(site: Audited) -> None:
    chance = random.Random(1)
    asked = []
    for number in range(300):
        if chance.random() < 0.1:
            asked.append(site.ask("delete_range", pb.DeleteRangeRequest(key=b"0", range_end=b"9")))
        elif chance.random() < 0.3:
            asked.append(site.txn(pb.TxnRequest(success=[op_put(b"t%d" % number)] * 1)))
        else:
            asked.append(site.put(b"%d" % number))
    await asyncio.gather(*asked)
    revisions = [line["revision"] for line in site.news()]
    assert revisions == sorted(revisions)
    assert set(range(2, site.node.parts.store.revision + 1)) <= set(revisions)


# ------------------------------------------------------------------------------- refusals


async def test_reads_are_not_told_of(site: Audited) -> None:
    await site.ask("range", pb.RangeRequest(key=b"a"))
    await site.ask("range", pb.RangeRequest(key=b"a", range_end=b"b"))
    await site.ask("range", pb.RangeRequest(key=b"a", revision=99))
    await site.ask("status", pb.StatusRequest())
    await site.ask("alarm", pb.AlarmRequest())
    assert site.told() == []


async def test_whoever_is_not_let_in_is_told_of_whatever_he_asks(site: Audited) -> None:
    await _make_users(site)
    await site.ask("auth_enable", pb.AuthEnableRequest())
    alice = await site.log_in("alice", "alice")
    site.news()
    await site.ask("range", pb.RangeRequest(key=b"x"), alice)
    await site.ask("range", pb.RangeRequest(key=b"x", range_end=b"y"), alice)
    await site.ask("range", pb.RangeRequest(key=b"k"), Asker("not a token"))
    await site.ask("hash", pb.HashRequest(), Asker())
    await site.put(b"k", alice)
    denied = {"code": "PermissionDeniedError", "error": "etcdserver: permission denied"}
    assert site.told() == [
        {"user": "alice", "ops": [{"op": "range", "key": "x"}], **denied},
        {"user": "alice", "ops": [{"op": "range", "key": "x", "range_end": "y"}], **denied},
        {
            "ops": [{"op": "range", "key": "k"}],
            "code": "InvalidAuthTokenError",
            "error": "etcdserver: invalid auth token",
        },
        {"code": "EmptyUserError", "error": "etcdserver: user name is empty"},
        {"user": "alice", "ops": [{"op": "put", "key": "k"}], **denied},
    ]


async def test_watch_that_is_refused_is_told_of(site: Audited) -> None:
    await _make_users(site)
    await site.ask("auth_enable", pb.AuthEnableRequest())
    alice = await site.log_in("alice", "alice")
    site.news()
    session = site.node.watch(FakeWriter(), alice)
    with pytest.raises(WatchRefusedError):
        session.create(pb.WatchCreateRequest(key=b"x"))
    session.close()
    (line,) = site.told()
    assert (line["user"], line["ops"]) == ("alice", [{"op": "watch", "key": "x"}])


async def test_who_logs_in_and_who_fails_to_is_told_of_by_name(site: Audited) -> None:
    await _make_users(site)
    await site.ask("auth_enable", pb.AuthEnableRequest())
    site.news()
    await site.log_in("alice", "alice")
    await site.ask("authenticate", pb.AuthenticateRequest(name="alice", password="wrong"))
    await site.ask("authenticate", pb.AuthenticateRequest(name="nobody", password="wrong"))
    told = [(line["target"]["user"], line["code"]) for line in site.told()]
    assert told == [("alice", "OK"), ("alice", "AuthFailedError"), ("nobody", "AuthFailedError")]


async def test_user_is_who_it_was_when_the_request_was_let_in(site: Audited) -> None:
    await _make_users(site)
    await site.ask("auth_enable", pb.AuthEnableRequest())
    root = await site.log_in("root", "root")
    site.news()
    # Its own token is gone by the end of it.
    change = pb.AuthUserChangePasswordRequest(name="root", password="r")
    await site.ask("user_change_password", change, root)
    assert site.news()[0]["user"] == "root"
    root = await site.log_in("root", "r")
    site.news()
    await site.ask("auth_disable", pb.AuthDisableRequest(), root)
    assert site.news()[0]["user"] == "root"


async def test_change_that_the_store_refuses_is_told_of(site: Audited) -> None:
    await site.put(b"a", lease=7)
    put = pb.PutRequest(key=b"a", lease=7)
    await site.txn(pb.TxnRequest(success=[pb.RequestOp(request_put=put)]))
    await site.ask("lease_revoke", pb.LeaseRevokeRequest(ID=7))
    await site.ask("compact", pb.CompactionRequest(revision=99))
    await site.ask("user_add", pb.AuthUserAddRequest(name="u", password="x" * 73))
    assert [line["code"] for line in site.told()] == [
        "LeaseNotFoundError",
        "LeaseNotFoundError",
        "LeaseNotFoundError",
        "FutureRevisionError",
        "PasswordTooLongError",
    ]


def test_every_method_that_the_server_calls_itself_is_one() -> None:
    assert METHODS.keys() <= RULES.keys()


# ------------------------------------------------------------------------ nothing secret

#: What no line may have, in whatever form.
SECRET = "5ecre7"


async def test_no_value_password_hash_or_token_is_in_any_line(site: Audited) -> None:
    chance = random.Random(2)
    await _make_users(site)
    secret = SECRET.encode()
    caller = Asker(f"{SECRET}.token")
    for number in range(400):
        key = chance.choice([b"a", b"\xff", b"", b"k", b"x" * 2000])
        put = pb.PutRequest(key=key, value=secret * chance.randrange(3), lease=number % 2)
        compare = pb.Compare(key=key, target=pb.Compare.VALUE, value=secret)
        txn = pb.TxnRequest(
            compare=[compare] if number % 3 else [],
            success=[pb.RequestOp(request_put=put), op_delete(key)],
            failure=[op_put(key, secret)],
        )
        name = chance.choice(["alice", "nobody", "root"])
        requests: list[tuple[str, Any]] = [
            ("put", put),
            ("delete_range", pb.DeleteRangeRequest(key=key, prev_kv=True)),
            ("authenticate", pb.AuthenticateRequest(name=name, password=SECRET)),
            ("user_add", pb.AuthUserAddRequest(name=f"u{number}", password=SECRET)),
            (
                "user_add",
                pb.AuthUserAddRequest(name=f"u{number}", hashedPassword=SECRET, password=SECRET),
            ),
            (
                "user_change_password",
                pb.AuthUserChangePasswordRequest(name=name, password=SECRET),
            ),
            (
                "user_change_password",
                pb.AuthUserChangePasswordRequest(name=name, hashedPassword=SECRET),
            ),
        ]
        if number % 5 == 0:
            await site.txn(txn, caller)
            continue
        method, request = chance.choice(requests)
        if method.startswith(("user", "auth")) and number % 4:
            continue  # hashing takes its time
        await site.ask(method, request, caller)
        if number == 200:
            await site.ask("auth_enable", pb.AuthEnableRequest())
    assert len(site.texts) > 100
    assert [text for text in site.texts if SECRET in text or "NWVjcmU3" in text] == []
    json.loads(site.texts[0])


async def test_long_names_are_cut_and_marked(site: Audited) -> None:
    await site.ask("user_add", pb.AuthUserAddRequest(name="n" * 5000, password="p"))
    (line,) = site.told()
    assert line["target"] == {"user": "n" * MOST_OF_A_KEY, "user_bytes": 5000}


# --------------------------------------------------------------------------- on the disk


def test_change_has_to_wait_where_lines_are_synced() -> None:
    class Disk(Lines):
        is_synced = True

        def settle(self) -> None:
            raise OSError(28, "no space")

    auditor = Auditor(Disk(), lambda: 0.0, words)
    assert auditor.settle is not None
    with pytest.raises(StorageError, match="cannot write the audit log: no space left on device"):
        auditor.settle()
    assert Auditor(Lines(), lambda: 0.0, words).settle is None
