"""Who may do what: identity, keys, transactions, leases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.auth.identity import Identity
from etcdpy.auth.permissions import KeySet
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.auth.store import AuthStore
from etcdpy.cooperative import finish
from etcdpy.mvcc import slices
from etcdpy.mvcc.attachments import Attachments
from etcdpy.mvcc.plain_txn import PlainTxn, decode_txn
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.node.caller import Caller
from etcdpy.node.guard import Guard, Who
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.askers import Asker

#: Leases: with keys of the writer's alone, with one of somebody else's, without keys.
OWN, FOREIGN, BARE = 1, 2, 3


class House:
    """Users ``reader`` (a to c), ``writer`` (the same), ``both``, ``nothing`` and ``root``."""

    def __init__(self, log: FakeLog) -> None:
        self.users = AuthStore(log)
        self.tokens = SimpleTokens(0, MovableClock())
        self.attachments = Attachments()
        for name, kind in (
            ("reader", Permission.READ),
            ("writer", Permission.WRITE),
            ("both", Permission.READWRITE),
        ):
            self.users.add_user(name, b"", has_password=True)
            self.users.add_role(name)
            self.users.grant_role(name, name)
            permission = Permission(permType=kind, key=b"a", range_end=b"d")
            self.users.grant_permission(name, permission)
        for name in ("nothing", "root"):
            self.users.add_user(name, b"", has_password=True)
        self.users.grant_role("root", "root")
        self.attachments.attach(b"a", OWN)
        self.attachments.attach(b"b", OWN)
        self.attachments.attach(b"c", FOREIGN)
        self.attachments.attach(b"x", FOREIGN)
        self.guard = Guard(
            self.users, self.tokens, self.attachments, {OWN, FOREIGN, BARE}.__contains__
        )

    def who(self, name: str) -> Who:
        return None if name == "nobody" else Identity(name, None)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    log = FakeLog()
    house = House(log)
    yield house
    house.tokens.close()
    log.lose()


def get(key: bytes, end: bytes = b"") -> pb.RangeRequest:
    return pb.RangeRequest(key=key, range_end=end)


def put(key: bytes, **options: Any) -> pb.PutRequest:
    return pb.PutRequest(key=key, **options)


def delete(key: bytes, end: bytes = b"", **options: Any) -> pb.DeleteRangeRequest:
    return pb.DeleteRangeRequest(key=key, range_end=end, **options)


def op(request: Any) -> pb.RequestOp:
    kinds: dict[type, str] = {
        pb.RangeRequest: "request_range",
        pb.PutRequest: "request_put",
        pb.DeleteRangeRequest: "request_delete_range",
        pb.TxnRequest: "request_txn",
    }
    options: Any = {kinds[type(request)]: request}
    return pb.RequestOp(**options)


def txn(*success: Any, failure: Any = (), compare: Any = ()) -> pb.TxnRequest:
    return pb.TxnRequest(
        success=[op(one) for one in success],
        failure=[op(one) for one in failure],
        compare=[pb.Compare(key=key, range_end=end) for key, end in compare],
    )


def outcome(check: Callable[[Any, Who], None], request: Any, who: Who) -> str:
    """Return what a check comes to: nothing, or the name of its error."""
    try:
        check(request, who)
    except errors.EtcdError as error:
        return type(error).__name__.removesuffix("Error")
    return ""


DENIED, NAMELESS = "PermissionDenied", "EmptyUser"

# ----------------------------------------------------------------------- identity


async def test_token_says_who_asks_before_a_certificate_does(house: House) -> None:
    token = house.tokens.assign("reader", 1)
    caller: Caller = Asker(token, "writer")
    assert house.guard.identify(caller) == Identity("reader", None)


async def test_bad_token_is_refused_whatever_the_certificate_says(house: House) -> None:
    for token in ("", "unknown", "x.1"):
        with pytest.raises(errors.InvalidAuthTokenError):
            house.guard.identify(Asker(token, "root"))


async def test_certificate_says_who_asks_without_a_token(house: House) -> None:
    assert house.guard.identify(Asker(None, "writer")) == Identity("writer", None)
    assert house.guard.identify(Asker(None, "")) == Identity("", None)


async def test_nobody_is_known_without_either(house: House) -> None:
    assert house.guard.identify(Asker()) is None


# --------------------------------------------------------------------------- root


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (None, NAMELESS),
        (Identity("", None), NAMELESS),
        (Identity("gone", None), "UserNotFound"),
        (Identity("both", None), DENIED),
        (Identity("root", None), ""),
        # The revision of a token is looked at for keys alone.
        (Identity("root", 1), ""),
    ],
)
async def test_what_is_roots_is_nobody_elses(house: House, who: Who, expected: str) -> None:
    assert outcome(house.guard.root, object(), who) == expected


async def test_everybody_known_reads_alarms_and_root_changes_them(house: House) -> None:
    get_, activate = pb.AlarmRequest(), pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE)
    assert outcome(house.guard.alarm, get_, house.who("nothing")) == ""
    assert outcome(house.guard.alarm, activate, house.who("nothing")) == DENIED
    assert outcome(house.guard.alarm, activate, house.who("root")) == ""


@pytest.mark.parametrize(
    ("asks", "about", "expected"),
    [
        ("reader", "reader", ""),
        ("reader", "writer", DENIED),
        ("reader", "gone", DENIED),
        ("root", "gone", ""),
        ("nobody", "", ""),
        ("nobody", "reader", NAMELESS),
    ],
)
async def test_everybody_may_look_at_himself(
    house: House, asks: str, about: str, expected: str
) -> None:
    request = pb.AuthUserGetRequest(name=about)
    assert outcome(house.guard.own_user, request, house.who(asks)) == expected


@pytest.mark.parametrize(
    ("asks", "about", "expected"),
    [
        ("reader", "reader", ""),
        ("reader", "writer", DENIED),
        ("root", "writer", ""),
        ("gone", "reader", "UserNotFound"),
        ("nobody", "reader", NAMELESS),
    ],
)
async def test_everybody_may_look_at_the_roles_he_has(
    house: House, asks: str, about: str, expected: str
) -> None:
    request = pb.AuthRoleGetRequest(role=about)
    assert outcome(house.guard.own_role, request, house.who(asks)) == expected


# --------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("request_", "reader", "writer"),
    [
        (get(b"a"), "", DENIED),
        (get(b"a", b"d"), "", DENIED),
        (get(b"a", b"e"), DENIED, DENIED),
        (get(b"a", b"\0"), DENIED, DENIED),
        (put(b"a"), DENIED, ""),
        (put(b"x"), DENIED, DENIED),
        (put(b"a", prev_kv=True), DENIED, DENIED),
        (delete(b"a"), DENIED, ""),
        (delete(b"a", b"d"), DENIED, ""),
        (delete(b"a", b"e"), DENIED, DENIED),
        (delete(b"a", prev_kv=True), DENIED, DENIED),
        # A lease that would take somebody else's key with it.
        (put(b"a", lease=OWN), DENIED, ""),
        (put(b"a", lease=FOREIGN), DENIED, DENIED),
        (put(b"a", lease=BARE), DENIED, ""),
        (put(b"a", lease=999), DENIED, ""),
        # Transactions: nothing of what they could do is left out.
        (txn(), "", ""),
        (txn(get(b"a")), "", DENIED),
        (txn(put(b"a")), DENIED, ""),
        (txn(put(b"a"), failure=[get(b"a")]), DENIED, DENIED),
        (txn(get(b"a"), failure=[get(b"x")]), DENIED, DENIED),
        (txn(compare=[(b"a", b"")]), "", DENIED),
        (txn(compare=[(b"a", b"e")]), DENIED, DENIED),
        (txn(put(b"a"), compare=[(b"a", b"")]), DENIED, DENIED),
        (txn(txn(put(b"a"))), DENIED, ""),
        (txn(txn(failure=[put(b"x")])), DENIED, DENIED),
        (txn(txn(txn(get(b"x")))), DENIED, DENIED),
        (txn(txn(compare=[(b"x", b"")])), DENIED, DENIED),
        (txn(put(b"a", prev_kv=True)), DENIED, DENIED),
        (txn(txn(put(b"a", lease=FOREIGN))), DENIED, DENIED),
        (txn(delete(b"a", prev_kv=True)), DENIED, DENIED),
        (txn(delete(b"x")), DENIED, DENIED),
    ],
    ids=str,
)
async def test_keys_are_read_and_written_by_those_who_may(
    house: House, request_: Any, reader: str, writer: str
) -> None:
    guard = house.guard
    checks: dict[type, Callable[[Any, Who], None]] = {
        pb.RangeRequest: guard.read,
        pb.PutRequest: guard.put,
        pb.DeleteRangeRequest: guard.delete_range,
        pb.TxnRequest: lambda request, who: guard.txn(Txn.of(request), who),
    }
    check = checks[type(request_)]
    assert outcome(check, request_, house.who("reader")) == reader
    assert outcome(check, request_, house.who("writer")) == writer
    assert outcome(check, request_, house.who("root")) == ""
    anybodys = request_ == pb.TxnRequest()
    assert outcome(check, request_, house.who("nothing")) == ("" if anybodys else DENIED)
    assert outcome(check, request_, house.who("gone")) == ("" if anybodys else DENIED)
    assert outcome(check, request_, house.who("")) == ("" if anybodys else DENIED)
    assert outcome(check, request_, None) == ("" if anybodys else NAMELESS)
    if isinstance(request_, pb.TxnRequest):
        # A long one is looked through before it has its turn.
        for name in ("reader", "writer", "root", "nothing", "gone", None):
            who = None if name is None else house.who(name)
            looked = looked_through(house, request_, name)
            assert looked.looked_through.asks_for_keys is not anybodys
            assert outcome(guard.txn, looked, who) == outcome(check, request_, who)


@pytest.mark.parametrize("name", ["nobody", "nothing", "reader", "writer", "both", "root", "gone"])
async def test_plain_transaction_is_asked_what_any_other_is(house: House, name: str) -> None:
    keys = (b"a", b"x")
    requests = [txn(), *(txn(compare=[(key, b"")]) for key in keys)]
    for kind in (get, put, delete):
        requests += [txn(kind(key)) for key in keys]
        requests += [txn(failure=[kind(key)]) for key in keys]
        requests += [txn(put(b"b"), kind(key), compare=[(b"a", b"")]) for key in keys]
    requests += [txn(put(b"a"), put(b"b")), txn(put(b"a"), put(b"x"))]
    for request in requests:
        plain, who = decode_txn(request.SerializeToString()), house.who(name)
        assert isinstance(plain, PlainTxn)
        wanted = outcome(house.guard.txn, Txn.of(request), who)
        assert outcome(house.guard.txn, plain, who) == wanted, request


def looked_through(house: House, request: pb.TxnRequest, name: str | None) -> LongTxn:
    """Return a transaction as a long one that was looked through for somebody."""
    long = LongTxn(request.SerializeToString())
    finish(long.read(128))
    finish(house.guard.look_through(long, Asker(None, name)))
    return long


async def test_what_was_looked_through_before_rights_changed_is_looked_at_again(
    house: House,
) -> None:
    asked = looked_through(house, txn(put(b"a")), "writer")
    house.users.revoke_role("writer", "writer")
    assert outcome(house.guard.txn, asked, house.who("writer")) == DENIED


async def test_keys_that_a_lease_has_been_given_since_are_looked_at(house: House) -> None:
    asked = looked_through(house, txn(put(b"a", lease=OWN)), "writer")
    assert outcome(house.guard.txn, asked, house.who("writer")) == ""
    house.attachments.attach(b"y", OWN)
    assert outcome(house.guard.txn, asked, house.who("writer")) == DENIED


async def test_a_long_transaction_is_looked_through_in_slices(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE", 10)
    looked: list[bytes] = []
    covers = KeySet.__contains__

    def noted(keys: KeySet, key: bytes) -> bool:
        looked.append(key)
        return covers(keys, key)

    monkeypatch.setattr(KeySet, "__contains__", noted)
    inner = txn(*[put(b"b%d" % number, lease=OWN) for number in range(20)])
    long = LongTxn(txn(*[inner] * 5).SerializeToString())
    finish(long.read(128))
    for turn, _ in enumerate(house.guard.look_through(long, Asker(None, "writer")), 1):
        assert len(looked) <= 10 * turn
    assert len(looked) == 100
    # Nor is anything but the lease, once, looked at when it has its turn.
    looked.clear()
    house.guard.txn(long, house.who("writer"))
    assert len(looked) <= 2


async def test_one_key_is_read_in_one_step_by_those_who_may(house: House) -> None:
    house.guard.read_key(b"a", Asker(None, "reader"))
    house.guard.read_key(b"x", Asker(None, "root"))
    with pytest.raises(errors.PermissionDeniedError):
        house.guard.read_key(b"x", Asker(None, "reader"))
    with pytest.raises(errors.EmptyUserError):
        house.guard.read_key(b"a", Asker())
    with pytest.raises(errors.InvalidAuthTokenError):
        house.guard.read_key(b"a", Asker("unknown"))


@pytest.mark.parametrize(
    ("key", "range_end", "expected"),
    [
        (b"a", b"", ""),
        (b"a", b"d", ""),
        (b"x", b"", DENIED),
        (b"a", b"e", DENIED),
        # One that begins with a key of its own would tell of all behind it.
        (b"a", b"\0", DENIED),
        (b"", b"\0", DENIED),
        (b"", b"", DENIED),
    ],
)
async def test_watch_tells_of_nothing_but_what_may_be_read(
    house: House, key: bytes, range_end: bytes, expected: str
) -> None:
    request = pb.WatchCreateRequest(key=key, range_end=range_end)
    assert outcome(house.guard.watch, request, house.who("reader")) == expected


async def test_token_of_before_a_change_is_too_old_for_keys_even_roots(house: House) -> None:
    now = house.users.revision
    old, current = Identity("root", now - 1), Identity("root", now)
    assert outcome(house.guard.read, get(b"a"), old) == "OldAuthRevision"
    assert outcome(house.guard.read, get(b"a"), current) == ""
    assert outcome(house.guard.read, get(b"x"), Identity("reader", now - 1)) == "OldAuthRevision"
    house.users.add_role("new")
    assert outcome(house.guard.read, get(b"a"), current) == "OldAuthRevision"


async def test_token_of_a_revision_to_come_may_write_and_not_read(house: House) -> None:
    ahead = Identity("root", house.users.revision + 1)
    guard = house.guard
    assert outcome(guard.put, put(b"a"), ahead) == ""
    assert outcome(guard.read, get(b"a"), ahead) == "OldAuthRevision"
    # What it may not read at all is what it hears of first.
    writer = Identity("writer", house.users.revision + 1)
    assert outcome(guard.read, get(b"a"), writer) == DENIED
    assert outcome(guard.read_txn, Txn.of(txn(get(b"a"))), ahead) == "OldAuthRevision"
    assert outcome(guard.txn, Txn.of(txn(put(b"a"))), ahead) == ""
    assert outcome(guard.watch, pb.WatchCreateRequest(key=b"a"), ahead) == ""


async def test_transaction_about_no_keys_is_anybodys_with_a_token_that_is_not_old(
    house: House,
) -> None:
    old = Identity("root", house.users.revision - 1)
    for request in (txn(), txn(txn()), txn(txn(), failure=[txn(txn())])):
        assert outcome(house.guard.txn, Txn.of(request), None) == ""
        assert outcome(house.guard.txn, Txn.of(request), old) == ""
        assert outcome(house.guard.read_txn, Txn.of(request), None) == ""
        assert outcome(house.guard.read_txn, Txn.of(request), old) == "OldAuthRevision"
    assert outcome(house.guard.txn, Txn.of(txn(txn(txn(get(b"a"))))), None) == NAMELESS


async def test_token_of_no_revision_is_nobodys(house: House) -> None:
    assert outcome(house.guard.read, get(b"a"), Identity("reader", 0)) == NAMELESS


# ------------------------------------------------------------------------- leases


@pytest.mark.parametrize(("lease", "writer"), [(OWN, ""), (FOREIGN, DENIED), (BARE, ""), (999, "")])
async def test_lease_is_ended_and_renewed_by_who_may_write_all_its_keys(
    house: House, lease: int, writer: str
) -> None:
    for request in (pb.LeaseRevokeRequest(ID=lease), pb.LeaseKeepAliveRequest(ID=lease)):
        assert outcome(house.guard.write_lease, request, house.who("writer")) == writer
        assert outcome(house.guard.write_lease, request, house.who("root")) == ""


async def test_keys_of_a_lease_are_shown_to_who_may_read_all_of_them(house: House) -> None:
    for lease, keys, expected in (
        (OWN, True, ""),
        (FOREIGN, True, DENIED),
        (FOREIGN, False, ""),
        (999, True, ""),
    ):
        request = pb.LeaseTimeToLiveRequest(ID=lease, keys=keys)
        assert outcome(house.guard.read_lease, request, house.who("both")) == expected
        assert outcome(house.guard.read_lease, request, house.who("root")) == ""


async def test_leases_are_listed_for_who_may_read_the_keys_of_all(house: House) -> None:
    request = pb.LeaseLeasesRequest()
    assert outcome(house.guard.read_leases, request, house.who("both")) == DENIED
    assert outcome(house.guard.read_leases, request, house.who("root")) == ""
    house.attachments.detach(b"x")
    assert outcome(house.guard.read_leases, request, house.who("both")) == ""


async def test_lease_without_keys_is_anybodys_with_an_old_token_too(house: House) -> None:
    for who in (Identity("gone", None), Identity("both", house.users.revision - 1)):
        for lease in (BARE, 999):
            renewal = pb.LeaseKeepAliveRequest(ID=lease)
            assert outcome(house.guard.write_lease, renewal, who) == ""
            question = pb.LeaseTimeToLiveRequest(ID=lease, keys=True)
            assert outcome(house.guard.read_lease, question, who) == ""
    gone = Identity("gone", None)
    assert outcome(house.guard.read_leases, pb.LeaseLeasesRequest(), gone) == DENIED
    for key in (b"a", b"b", b"c", b"x"):
        house.attachments.detach(key)
    assert outcome(house.guard.read_leases, pb.LeaseLeasesRequest(), gone) == ""


async def test_lease_whose_keys_are_spread_is_looked_at_key_by_key(house: House) -> None:
    house.users.grant_permission("writer", Permission(permType=Permission.WRITE, key=b"x"))
    request = pb.LeaseRevokeRequest(ID=FOREIGN)
    assert outcome(house.guard.write_lease, request, house.who("writer")) == ""
