"""Users: floods of logins, long lists, tokens by the thousand and of a megabyte."""

from __future__ import annotations

import itertools

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import Preparation, attack
from tests.fairness.wire import Crowd, Wire

ROOT = "root:good"
#: A hundred milliseconds each, as they are unless it is said.
SLOW = ("--bcrypt-cost=10",)
#: Two milliseconds each.
QUICK = ("--bcrypt-cost=4",)
_JWT = (
    "--auth-token=jwt,sign-method=ES256,"
    "pub-key={papers}/server.pem,priv-key={papers}/server-key.pem"
)


def _with_users(users: int = 0) -> Preparation:
    """Return what switches authentication on, with so many more users without passwords."""

    def prepare(crowd: Crowd) -> None:
        name, _, password = ROOT.partition(":")
        options = auth_pb2.UserAddOptions(no_password=True)
        adds = [pb.AuthUserAddRequest(name=name, password=password)]
        adds += [pb.AuthUserAddRequest(name=f"user{i}", options=options) for i in range(users)]
        crowd.each(w.AUTH + "UserAdd", adds, at_once=1000)
        crowd.each(w.AUTH + "RoleAdd", [pb.AuthRoleAddRequest(name="root")])
        crowd.each(w.AUTH + "UserGrantRole", [pb.AuthUserGrantRoleRequest(user=name, role="root")])
        if not users:
            crowd.each(w.AUTH + "AuthEnable", [pb.AuthEnableRequest()])

    return prepare


def _log_in(crowd: Crowd, password: str, at_once: int, number: int) -> None:
    request = pb.AuthenticateRequest(name="root", password=password)
    crowd.drive(lambda wire: wire.call(w.AUTH + "Authenticate", request), at_once, number)


@attack(_with_users(), SLOW, user=ROOT)
def wrong_passwords(crowd: Crowd) -> None:
    """Try wrong passwords, 2,000 at once on one connection."""
    _log_in(crowd, "bad", 2000, 1)


@attack(_with_users(), SLOW, user=ROOT)
def wrong_passwords_of_many(crowd: Crowd) -> None:
    """Try wrong passwords, 20 at once on 100 connections."""
    _log_in(crowd, "bad", 20, 100)


@attack(_with_users(), SLOW, user=ROOT)
def wrong_passwords_in_json(crowd: Crowd) -> None:
    """Try wrong passwords in JSON, on 500 connections."""
    body = b'{"name":"root","password":"bad"}'
    crowd.drive_talks(lambda talk: talk.ask("POST", "/v3/auth/authenticate", body), 1, 500)


@attack(_with_users(), (*SLOW, "--enable-v2"), user=ROOT, is_for="--enable-v2")
def wrong_passwords_in_v2(crowd: Crowd) -> None:
    """Try wrong passwords in the v2 API, on 500 connections."""
    field = "Authorization: Basic cm9vdDpiYWQ="
    crowd.drive_talks(lambda talk: talk.ask("GET", "/v2/keys/a", b"", field), 1, 500)


@attack(_with_users(), SLOW, user=ROOT)
def large_passwords(crowd: Crowd) -> None:
    """Try passwords of a megabyte."""
    _log_in(crowd, "b" * 1_000_000, 20, 10)


@attack(_with_users(), QUICK, user=ROOT)
def logins(crowd: Crowd) -> None:
    """Log in as often as can be, with the right password."""
    _log_in(crowd, "good", 100, 10)


@attack(_with_users(), (*QUICK, _JWT), user=ROOT)
def signed_logins(crowd: Crowd) -> None:
    """Log in as often as can be, where tokens are signed."""
    _log_in(crowd, "good", 100, 10)


def _bad_tokens(crowd: Crowd, token: bytes, at_once: int = 20) -> None:
    get = w.message(pb.RangeRequest(key=b"/a"))
    block = w.block(w.RANGE, w.literal(b"authorization", token))
    pieces = [block[i : i + w.MAX_FRAME] for i in range(0, len(block), w.MAX_FRAME)]

    def more(wire: Wire) -> None:
        stream, wire.next_id = wire.next_id, wire.next_id + 2
        for number, piece in enumerate(pieces):
            kind = w.CONTINUATION if number else w.HEADERS
            flag = w.END_HEADERS if number == len(pieces) - 1 else 0
            wire.out += w.frame(kind, flag, stream, piece)
        wire.out += w.data(stream, get)

    crowd.drive(more, at_once, 10)


@attack(_with_users(), (*QUICK, _JWT), user=ROOT)
def signed_tokens_of_30_kb(crowd: Crowd) -> None:
    """Show tokens of 30 KB that are well-formed and signed by nobody."""
    head = b"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9."
    _bad_tokens(crowd, head + b"eyJhIjoi" + b"YWFh" * 7_500 + b"." + b"A" * 86, 100)


@attack(_with_users(), (*QUICK, _JWT), user=ROOT)
def signed_tokens_of_a_megabyte(crowd: Crowd) -> None:
    """Show tokens of a megabyte, less a little."""
    head = b"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9."
    _bad_tokens(crowd, head + b"eyJhIjoi" + b"YWFh" * 250_000 + b"." + b"A" * 86)


@attack(_with_users(), (*QUICK, _JWT), user=ROOT)
def signed_tokens_that_are_false(crowd: Crowd) -> None:
    """Show short tokens with false signatures, each another one."""
    numbers = itertools.count()
    get = pb.RangeRequest(key=b"/a")
    head = b"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6InJvb3QifQ."

    def more(wire: Wire) -> None:
        token = head + b"%086d" % next(numbers)
        wire.call(w.RANGE, get, w.literal(b"authorization", token))

    crowd.drive(more, 100, 10)


@attack(_with_users(10_000))
def lists_of_users(crowd: Crowd) -> None:
    """Have 10,000 users listed, over and over."""
    crowd.drive(lambda wire: wire.call(w.AUTH + "UserList", pb.AuthUserListRequest()), 4, 4)
