"""
Tokens that are signed: whoever has one has all there is to know of it (RFC 7519).

::

    header     {"alg":"RS256","typ":"JWT"}
    claims     {"exp":1700000300,"revision":7,"username":"alice"}
    token      base64url(header) "." base64url(claims) "." base64url(signature of both)

Nothing is remembered that a token depends on. Those whose signature was right are kept for a while
all the same: looking one up takes a hundredth of checking it again.
(etcd: auth/jwt.go; golang-jwt: ``parser.go``, ``validator.go``)
"""

from __future__ import annotations

import binascii
import json
import logging
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.algorithms import Algorithm, RSAPSSAlgorithm, get_default_algorithms

from etcdpy.auth.identity import Identity
from etcdpy.auth.jwt_keys import Key, KeyPair, read_keys
from etcdpy.auth.options import INVALID_OPTIONS, AuthOptionsError
from etcdpy.clock import Clock
from etcdpy.errors import UnsuitableKeyError, VerifyOnlyError
from etcdpy.gostd.durations import parse_go_duration

__all__ = ["JwtTokens", "make_jwt_tokens"]

logger = logging.getLogger(__name__)

#: Characters of the longest token that is looked at; one signed with RSA of 4096 bits has 850.
LONGEST_TOKEN = 8192
#: Tokens that are known at least, with twice as many at most; each takes about a kilobyte.
MOST_KNOWN = 4096
#: Seconds that a token lives, unless it is said. (etcd: ``DefaultTTL``)
DEFAULT_TTL = 300.0

_KNOWN_OPTIONS = {"sign-method", "pub-key", "priv-key", "ttl"}
#: The signing methods of etcd; those of PyJWT are these and more.
_METHODS = {f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)}
_METHODS.add("EdDSA")
#: The size of the curve that a method is for. (RFC 7518 section 3.4)
_CURVE_BITS = {"ES256": 256, "ES384": 384, "ES512": 521}
#: Bits of the shortest RSA key that Go works with.
_SHORTEST_RSA = 1024

# RFC 7515 section 3.1, without the padding that section 2 leaves out.
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")


class _Known(NamedTuple):
    """
    A token whose signature was right.

    Attributes:
        begins: Seconds since 1970 from which on it is valid.
        ends: Those from which on it is not.
        identity: Whom it stands for.

    """

    begins: float
    ends: float
    identity: Identity


class JwtTokens:
    """
    The provider of signed tokens. They outlive it, and nothing but time ends them.

    Args:
        method: The signing method, ``RS256`` or another.
        keys: What signs and what checks.
        ttl: Seconds that a token lives.
        clock: Whose wall time counts.
        most: Known tokens that are kept at least.

    """

    def __init__(
        self, method: str, keys: KeyPair, ttl: float, clock: Clock, most: int = MOST_KNOWN
    ) -> None:
        self._method = method
        self._algorithm = _algorithm(method)
        self._keys = keys
        self._ttl = ttl
        self._wall = clock.wall
        self._most = most
        # Two generations: when the young one is full it takes the place of the old one, from
        # which tokens that are still used come back. So forgetting one costs nothing.
        self._young: dict[str, _Known] = {}
        self._old: dict[str, _Known] = {}

    def assign(self, user: str, revision: int) -> str:
        """
        Return a token that stands for ``user`` as of an auth revision.

        Raises:
            VerifyOnlyError: There is only a public key.
            UnsuitableKeyError: The key is of another curve than the method's, or too short for it.

        """
        signer = self._keys.private
        if signer is None:
            raise VerifyOnlyError
        ends = math.floor(self._wall() + self._ttl)
        claims = {"exp": ends, "revision": revision, "username": user}
        text = f"{_encode({'alg': self._method, 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{text}.{_base64(self._sign(text.encode(), signer))}"

    def identify(self, token: str) -> Identity | None:
        """Return whom ``token`` stands for, None if it is not valid, or not now."""
        known = self._young.get(token)
        if known is None:
            known = self._old.get(token) or self._check(token)
            if known is None:
                return None
            self._keep(token, known)
        return known.identity if known.begins <= self._wall() < known.ends else None

    def drop_user(self, user: str) -> None:
        """Do nothing: a change of the user makes the revision of its tokens old."""

    def drop_all(self) -> None:
        """Do nothing: tokens know by their revision that they are old."""

    def close(self) -> None:
        """Forget the known tokens."""
        self._young, self._old = {}, {}

    def _sign(self, text: bytes, signer: Key) -> bytes:
        # Only now is an unsuitable key found, as by etcd, which starts with it.
        bits = _CURVE_BITS.get(self._method)
        if bits is not None and bits != signer.curve.key_size:
            raise UnsuitableKeyError
        if isinstance(signer, rsa.RSAPrivateKey):
            _check_length(signer.key_size)
        try:
            return self._algorithm.sign(text, signer)
        except ValueError:
            # PSS wants room for the hash and a salt as long. (RFC 8017 section 9.1.1)
            raise UnsuitableKeyError("crypto/rsa: message too long for RSA key size") from None

    def _keep(self, token: str, known: _Known) -> None:
        if len(self._young) >= self._most:
            self._young, self._old = {}, self._young
        self._young[token] = known

    def _check(self, token: str) -> _Known | None:
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            return self._read(token)
        # Of texts that are no base64, no UTF-8 or no JSON, and numbers that are no moments.
        except (binascii.Error, ValueError, RecursionError, OverflowError):
            return None

    def _read(self, token: str) -> _Known | None:
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        header, claims, signature = parts.groups()
        # First of all: the token must not choose how it is checked. (RFC 8725 section 3.1)
        if _decode(header).get("alg") != self._method:
            return None
        signed = token[: parts.end(2)].encode()
        if not self._algorithm.verify(signed, self._keys.public, _unbase64(signature)):
            return None
        return _known(_decode(claims))


def make_jwt_tokens(options: Mapping[str, str], clock: Clock) -> JwtTokens:
    """
    Return a provider as the options of ``--auth-token jwt`` want it. Reads the files of the keys.

    Raises:
        AuthOptionsError: It cannot be had like that.

    """
    try:
        ttl = parse_go_duration(options["ttl"]) / 1e9 if options.get("ttl") else DEFAULT_TTL
        public = _content(options.get("pub-key"))
        private = _content(options.get("priv-key"))
        method = options.get("sign-method", "")
        if method not in _METHODS | {"none"}:
            raise ValueError("auth: invalid auth signature method")
    except (ValueError, OSError) as error:
        logger.error("problem loading JWT options", {"error": _reason(error)})
        raise AuthOptionsError(INVALID_OPTIONS) from error
    if unknown := sorted(options.keys() - _KNOWN_OPTIONS):
        logger.warning("unknown JWT options", {"keys": unknown})
    if method == "none":
        # The name is that of a type of Go.
        raise AuthOptionsError("unsupported signing method: *jwt.signingMethodNone")
    return JwtTokens(method, read_keys(method, private, public), ttl, clock)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        # Go opens a directory, and fails at reading it.
        verb = "read" if isinstance(error, IsADirectoryError) else "open"
        return f"{verb} {error.filename}: {str(error.strerror).lower()}"
    return str(error)


def _content(path: str | None) -> bytes:
    return Path(path).read_bytes() if path else b""


def _algorithm(method: str) -> Algorithm:
    algorithm = get_default_algorithms()[method]
    return _AnySalt(algorithm.hash_alg) if isinstance(algorithm, RSAPSSAlgorithm) else algorithm


class _AnySalt(RSAPSSAlgorithm):
    """RSA-PSS that takes signatures with salts of any length, as Go does."""

    def verify(self, msg: bytes, key: rsa.RSAPublicKey, sig: bytes) -> bool:
        # Those made here have a salt as long as the hash. (RFC 7518 section 3.5)
        any_salt = padding.PSS(padding.MGF1(self.hash_alg()), padding.PSS.AUTO)
        try:
            key.verify(sig, msg, any_salt, self.hash_alg())
        except InvalidSignature:
            return False
        return True


def _check_length(bits: int) -> None:
    """Refuse a key that Go signs nothing with. (Go: ``crypto/rsa``, checkKeySize)"""
    if bits < _SHORTEST_RSA:
        raise UnsuitableKeyError(
            f"crypto/rsa: {bits}-bit keys are insecure "
            "(see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
        )


def _known(claims: Mapping[str, Any]) -> _Known | None:
    """Return what a token with these claims is good for, None if they are not those of one."""
    user, revision = claims.get("username"), claims.get("revision")
    if not isinstance(user, str) or not isinstance(revision, float):
        return None
    ends, begins = claims.get("exp", 0.0), claims.get("nbf", 0.0)
    if not isinstance(ends, float) or not isinstance(begins, float):
        return None
    # Half a pair of surrogates is no character; Go reads it as this one.
    user = user.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _Known(
        # 0 is the same as no claim at all, and so never ends. (golang-jwt: ``parseNumericDate``)
        begins=math.floor(begins) if begins else -math.inf,
        ends=math.floor(ends) if ends else math.inf,
        identity=Identity(user, int(revision)),
    )


def _encode(part: Mapping[str, object]) -> str:
    return _base64(json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode())


def _base64(content: bytes) -> str:
    # RFC 7515 section 2: without padding.
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(part: str) -> Mapping[str, Any]:
    """Return a JSON object; all its numbers are floats, as they are to Go."""
    # Invalid UTF-8 is no mistake to Go either.
    text = _unbase64(part).decode("utf-8", "replace")
    decoded = json.loads(text, parse_int=float, parse_constant=_refuse)
    if not isinstance(decoded, dict):
        raise ValueError("no JSON object")
    return decoded


def _unbase64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _refuse(constant: str) -> None:
    # JSON has no NaN and no Infinity; Python's reads them.
    raise ValueError(f"no JSON: {constant}")
