"""Signed tokens say whom they stand for, as of which revision, and until when."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from etcdpy.auth import jwt_tokens
from etcdpy.auth.identity import Identity
from etcdpy.auth.jwt_keys import KeyPair
from etcdpy.auth.jwt_tokens import LONGEST_TOKEN, JwtTokens, make_jwt_tokens
from etcdpy.auth.options import AuthOptionsError
from etcdpy.errors import UnsuitableKeyError, VerifyOnlyError
from etcdpy.testing import MovableClock
from tests.unit.auth.keys import KEY_OF, key, private, public

SECRET = b"a secret that is sixty-four bytes long, as SHA-512 has it.......!"
NOW = 1_700_000_000
METHODS = [*KEY_OF, "HS256", "HS384", "HS512"]

Make = Callable[..., JwtTokens]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(wall=NOW)


@pytest.fixture
def make(tmp_path: Path, clock: MovableClock) -> Make:
    """Return a function that makes a provider of a method, with the usual key."""

    def make(method: str = "HS256", **options: str) -> JwtTokens:
        file = tmp_path / "private"
        file.write_bytes(private(KEY_OF[method]) if method in KEY_OF else SECRET)
        given = {"sign-method": method, "priv-key": str(file)}
        return make_jwt_tokens({**given, **options}, clock)

    return make


@cache
def token_of(method: str) -> str:
    """Return a token that was made with a method's usual key, once, as some take their time."""
    private = key(KEY_OF[method]) if method in KEY_OF else None
    pair = KeyPair(private, private.public_key()) if private else KeyPair(SECRET, SECRET)
    return JwtTokens(method, pair, 300, MovableClock(wall=NOW)).assign("alice", 7)


def parts(token: str) -> list[Any]:
    """Return the header and the claims of a token."""
    return [json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def signed(claims: Any, header: Any = None) -> str:
    """Return a token with any claims, signed as HS256 wants it."""
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (
        {"alg": "HS256"} if header is None else header, claims
    )]  # fmt: skip
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in texts)
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text, SECRET)
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def with_header(header: bytes) -> str:
    """Return a text that looks like a token up to what is in its header."""
    return f"{urlsafe_b64encode(header).decode().rstrip('=')}.e30.e30"


CLAIMS = {"username": "alice", "revision": 7, "exp": NOW + 100}


@pytest.mark.parametrize("method", METHODS)
def test_token_stands_for_its_user_as_of_its_revision(make: Make, method: str) -> None:
    tokens = make(method)
    token = tokens.assign("alice", 7)
    assert tokens.identify(token) == Identity("alice", 7)
    assert make(method).identify(token) == Identity("alice", 7)


@pytest.mark.parametrize("method", METHODS)
def test_token_is_one_to_any_library(make: Make, method: str) -> None:
    token = make(method).assign("alice", 7)
    usual = public(KEY_OF[method]) if method in KEY_OF else SECRET
    options: Any = {"verify_exp": False}
    assert jwt.decode(token, usual, algorithms=[method], options=options) == {
        "exp": NOW + 300,
        "revision": 7,
        "username": "alice",
    }
    assert token.isascii()
    assert token.isprintable()


def test_header_and_claims_are_etcds_to_the_byte(make: Make) -> None:
    header, claims, _ = make().assign("älice", 7).split(".")
    assert urlsafe_b64decode(header + "==") == b'{"alg":"HS256","typ":"JWT"}'
    assert urlsafe_b64decode(claims + "==") == (
        f'{{"exp":{NOW + 300},"revision":7,"username":"älice"}}'.encode()
    )


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("", 300), ("1h", 3600), ("1500ms", 1), ("0", 0), ("-1s", -1)]
)
def test_token_ends_after_its_ttl(make: Make, ttl: str, seconds: int) -> None:
    _, claims = parts(make(ttl=ttl).assign("alice", 7))
    assert claims["exp"] == NOW + seconds


@pytest.mark.parametrize("method", ["RS256", "HS256"])
async def test_end_comes_though_it_is_used(make: Make, method: str, clock: MovableClock) -> None:
    tokens = make(method, ttl="10s")
    token = tokens.assign("alice", 7)
    for _ in range(9):
        await clock.advance(1)
        assert tokens.identify(token) == Identity("alice", 7)
    await clock.advance(1)
    assert tokens.identify(token) is None
    clock.jump(-1)  # by an operator: it is the wall's time that counts
    assert tokens.identify(token) == Identity("alice", 7)


def test_dropping_and_closing_end_no_token(make: Make) -> None:
    tokens = make()
    token = tokens.assign("alice", 7)
    tokens.drop_user("alice")
    tokens.drop_all()
    assert tokens.identify(token) == Identity("alice", 7)
    tokens.close()
    assert make().identify(token) == Identity("alice", 7)


@pytest.mark.parametrize(("method", "name"), KEY_OF.items())
def test_public_key_alone_signs_nothing(
    make: Make, tmp_path: Path, clock: MovableClock, method: str, name: str
) -> None:
    file = tmp_path / "public"
    file.write_bytes(public(name))
    tokens = make_jwt_tokens({"sign-method": method, "pub-key": str(file)}, clock)
    with pytest.raises(VerifyOnlyError):
        tokens.assign("alice", 7)
    assert tokens.identify(make(method).assign("alice", 7)) == Identity("alice", 7)


def test_curve_of_another_method_is_found_when_it_is_to_sign(clock: MovableClock) -> None:
    pair = KeyPair(key("P-256"), key("P-256").public_key())
    tokens = JwtTokens("ES384", pair, 300, clock)
    with pytest.raises(UnsuitableKeyError, match=r"^key is invalid$"):
        tokens.assign("alice", 7)
    of_256 = JwtTokens("ES256", pair, 300, clock).assign("alice", 7)
    assert tokens.identify(of_256) is None


def test_rsa_key_is_long_enough_for_the_method(clock: MovableClock) -> None:
    short = rsa.generate_private_key(65537, 1024)
    pair = KeyPair(short, short.public_key())
    tokens = JwtTokens("PS512", pair, 300, clock)
    with pytest.raises(
        UnsuitableKeyError, match=r"^crypto/rsa: message too long for RSA key size$"
    ):
        tokens.assign("alice", 7)
    rs512 = JwtTokens("RS512", pair, 300, clock)
    assert rs512.identify(rs512.assign("alice", 7)) == Identity("alice", 7)


def test_rsa_key_that_go_finds_insecure_signs_nothing(clock: MovableClock) -> None:
    with pytest.raises(UnsuitableKeyError, match="512-bit keys are insecure"):
        jwt_tokens._check_length(512)


def test_salt_of_a_signature_may_have_any_length(make: Make) -> None:
    tokens = make("PS256")
    text = tokens.assign("alice", 7).rpartition(".")[0]
    signer = key("RSA")
    assert isinstance(signer, rsa.RSAPrivateKey)
    for salt in (0, 20, padding.PSS.MAX_LENGTH):
        pss = padding.PSS(padding.MGF1(SHA256()), salt)
        signature = urlsafe_b64encode(signer.sign(text.encode(), pss, SHA256())).decode()
        assert tokens.identify(f"{text}.{signature.rstrip('=')}") == Identity("alice", 7)


@pytest.mark.parametrize("method", METHODS)
def test_signature_of_another_key_or_method_is_none(make: Make, method: str) -> None:
    tokens = make(method)
    good = tokens.assign("alice", 7)
    for other in METHODS:
        if other != method:
            assert tokens.identify(token_of(other)) is None
    header, claims, signature = good.split(".")
    changed = signature[:-9] + ("A" if signature[-9] != "A" else "B") + signature[-8:]
    for text in (f"{header}.{claims}.{changed}", f"{header}.{claims}.", f"{header}.{claims}"):
        assert tokens.identify(text) is None
    root = urlsafe_b64encode(json.dumps({**CLAIMS, "username": "root"}).encode()).decode()
    assert tokens.identify(f"{header}.{root.rstrip('=')}.{signature}") is None
    assert tokens.identify(good) == Identity("alice", 7)


@pytest.mark.parametrize("alg", ["none", "None", "", None, "RS256", ["HS256"], 1])
def test_token_does_not_choose_how_it_is_checked(make: Make, alg: Any) -> None:
    assert make().identify(signed(CLAIMS, {"alg": alg, "typ": "JWT"})) is None


def test_public_key_is_no_secret(make: Make) -> None:
    # RFC 8725 section 2.1: signed with HMAC, by the public key that everybody may have.
    header, claims = {"alg": "HS256", "typ": "JWT"}, CLAIMS
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims))
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = urlsafe_b64encode(mac.sign(text, public("RSA")))
    assert make("RS256").identify((text + b"." + signature).decode().replace("=", "")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d",
        "abcdefghijklmnop.1",
        "e30.e30.e30",
        "e30.e30.",
        "bnVsbA.bnVsbA.bnVsbA",
        "W10.W10.W10",
        "\ud800.\ud800.\ud800",
        "ä.ö.ü",
        "e30=.e30=.e30=",
        "A.A.A",
        with_header(b"[" * 3000),
        with_header(b'{"a":' * 700),
        with_header(b"9" * 5000),
        with_header(b'{"alg":NaN}'),
        "x" * 10**6,
        "e30." * 10**5,
    ],
)
def test_garbage_is_no_token(make: Make, text: str) -> None:
    tokens = make()
    assert tokens.identify(text) is None
    assert tokens.identify(text) is None


@pytest.mark.parametrize(
    ("change", "identity"),
    [
        ({}, Identity("alice", 7)),
        ({"revision": 7.9}, Identity("alice", 7)),
        ({"username": ""}, Identity("", 7)),
        ({"username": "\ud800"}, Identity("\ufffd", 7)),
        ({"exp": NOW + 0.9}, None),
        ({"exp": NOW + 1.9}, Identity("alice", 7)),
        ({"exp": NOW}, None),
        ({"exp": 0}, Identity("alice", 7)),
        ({"exp": 1e300}, Identity("alice", 7)),
        ({"nbf": NOW}, Identity("alice", 7)),
        ({"nbf": NOW + 1}, None),
        ({"aud": "others", "iss": 1, "sub": 2, "iat": NOW + 9}, Identity("alice", 7)),
        ({"username": 1}, None),
        ({"username": None}, None),
        ({"revision": "7"}, None),
        ({"revision": True}, None),
        ({"revision": None}, None),
        ({"exp": str(NOW + 100)}, None),
        ({"exp": None}, None),
        ({"exp": math.inf}, None),
        ({"nbf": "x"}, None),
    ],
)
def test_claims_are_those_of_etcd(
    make: Make, change: dict[str, object], identity: Identity | None
) -> None:
    assert make().identify(signed({**CLAIMS, **change})) == identity


@pytest.mark.parametrize("missing", ["username", "revision"])
def test_user_and_revision_have_to_be_there(make: Make, missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    assert make().identify(signed(claims)) is None


async def test_token_without_an_end_has_none(make: Make, clock: MovableClock) -> None:
    tokens = make()
    token = signed({"username": "alice", "revision": 7})
    await clock.advance(1e9)
    assert tokens.identify(token) == Identity("alice", 7)


@pytest.mark.parametrize("claims", [b"[]", b"7", b"null", b"{", b"\xff", b"", b"{}x"])
def test_claims_that_are_no_object_are_none(make: Make, claims: bytes) -> None:
    assert make().identify(signed(claims)) is None


def test_invalid_utf_8_is_read_as_go_reads_it(make: Make) -> None:
    claims = b'{"username":"al\xffce","revision":7}'
    assert make().identify(signed(claims)) == Identity("al\ufffdce", 7)


def test_no_longer_token_is_looked_at(make: Make) -> None:
    tokens = make()
    fits = signed({**CLAIMS, "pad": "x" * 5900})
    assert len(fits) <= LONGEST_TOKEN
    assert tokens.identify(fits) == Identity("alice", 7)
    longer = signed({**CLAIMS, "pad": "x" * 6200})
    assert len(longer) > LONGEST_TOKEN
    assert tokens.identify(longer) is None


def test_few_tokens_are_known_and_those_in_use_are_among_them(clock: MovableClock) -> None:
    checked = []

    class Counting(JwtTokens):
        def _check(self, token: str) -> Any:
            checked.append(token)
            return super()._check(token)

    tokens = Counting("HS256", KeyPair(SECRET, SECRET), 300, clock, most=10)
    used = tokens.assign("alice", 7)
    for number in range(100):
        assert tokens.identify(used) == Identity("alice", 7)
        assert tokens.identify(tokens.assign("bob", number)) == Identity("bob", number)
        assert len(tokens._young) + len(tokens._old) <= 20
    assert checked.count(used) == 1
    assert len(checked) == 101


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "auth: invalid auth signature method"),
        ({"sign-method": ""}, "auth: invalid auth signature method"),
        ({"sign-method": "hs256"}, "auth: invalid auth signature method"),
        ({"sign-method": "ES256K"}, "auth: invalid auth signature method"),
        ({"sign-method": "HS256", "ttl": "5"}, 'time: missing unit in duration "5"'),
        ({"sign-method": "HS256", "ttl": "abc"}, 'time: invalid duration "abc"'),
        ({"priv-key": "/none"}, "open /none: no such file or directory"),
        ({"pub-key": "/"}, "read /: is a directory"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, str], reason: str, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AuthOptionsError, match=r"^auth: invalid auth options$"):
        make_jwt_tokens(options, clock)
    (line,) = caplog.records
    assert (line.getMessage(), line.args) == ("problem loading JWT options", {"error": reason})


def test_no_signature_at_all_is_refused(clock: MovableClock) -> None:
    with pytest.raises(AuthOptionsError) as caught:
        make_jwt_tokens({"sign-method": "none"}, clock)
    assert str(caught.value) == "unsupported signing method: *jwt.signingMethodNone"


def test_unknown_options_are_pointed_out(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    make(zeal="1", colour="2")
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", "unknown JWT options")
    assert line.args == {"keys": ["colour", "zeal"]}
