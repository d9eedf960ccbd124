"""
The keys of signed tokens: the files that ``--auth-token`` names, and what each method takes.

As Go's, a file is read up to the end of its first PEM block, and what the block calls itself does
not matter: what is in it does. (etcd: auth/options.go; golang-jwt: ``rsa_utils.go`` and others)
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from cryptography.x509 import load_der_x509_certificate

from etcdpy.auth.options import AuthOptionsError

__all__ = ["Key", "KeyPair", "read_keys"]

#: Key of an algorithm: those of ``cryptography``, or the bytes of a secret.
Key = Any


class KeyPair(NamedTuple):
    """
    What signs, and what checks.

    Attributes:
        private: None if there is only the other.
        public: For a secret, the same.

    """

    private: Key | None
    public: Key


class _Family(NamedTuple):
    """
    Keys of one kind.

    Attributes:
        private: The class of those that sign.
        public: The class of those that check.
        name: What golang-jwt calls it.
        takes_certificates: Whether the public one may be in a certificate.

    """

    private: type[Key]
    public: type[Key]
    name: str
    takes_certificates: bool = True


_RSA = _Family(rsa.RSAPrivateKey, rsa.RSAPublicKey, "RSA")
_EC = _Family(ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, "ECDSA")
_ED25519 = _Family(
    ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, "Ed25519", takes_certificates=False
)
#: First letters of a signing method to its keys; those of ``HS`` are secrets.
_FAMILIES: Mapping[str, _Family] = {"RS": _RSA, "PS": _RSA, "ES": _EC, "Ed": _ED25519}

_PEM = re.compile(
    rb"^-----BEGIN (?P<label>[^\r\n]*)-----[ \t]*\r?\n(?P<body>.*?)^-----END (?P=label)-----",
    re.DOTALL | re.MULTILINE,
)

#: Labels of private keys in a form of their own to Go's functions for them. It points those out
#: where only the other form is looked for.
_OLDER_FORMS = {b"RSA PRIVATE KEY": "ParsePKCS1PrivateKey", b"EC PRIVATE KEY": "ParseECPrivateKey"}

#: golang-jwt's and etcd's words.
_NOT_PEM = "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key"
_MISSING = "auth: missing key data"
_MISMATCH = "auth: public and private keys don't match"

#: What ``cryptography`` raises at a key that it cannot read.
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


def read_keys(method: str, private: bytes, public: bytes) -> KeyPair:
    """
    Return the keys of a signing method.

    Args:
        method: One of those that sign.
        private: The content of the file of the private key or the secret, nothing if there is none.
        public: That of the public key's.

    Raises:
        AuthOptionsError: There are no keys, not of that method, or they do not belong together.

    """
    family = _FAMILIES.get(method[:2])
    if family is None:
        if not private:
            raise AuthOptionsError(_MISSING)
        return KeyPair(private, private)
    signer = _read(private, _load_private, family.private, f"{family.name} private") or None
    checker = _read(public, _load_public(family), family.public, f"{family.name} public") or None
    if signer is None:
        if checker is None:
            raise AuthOptionsError(_MISSING)
        return KeyPair(None, checker)
    if checker is not None and checker != signer.public_key():
        raise AuthOptionsError(_MISMATCH)
    return KeyPair(signer, signer.public_key())


def _read(content: bytes, load: Callable[[bytes], Key], kind: type[Key], name: str) -> Key | None:
    if not content:
        return None
    block = _PEM.search(content)
    if block is None:
        raise AuthOptionsError(_NOT_PEM)
    try:
        key = load(b64decode(block["body"]))
    except (*_UNREADABLE, binascii.Error):
        # Go says what is wrong in the encoding, which nobody can make anything of.
        raise AuthOptionsError(f"x509: failed to parse {name} key") from None
    if not isinstance(key, kind):
        parser = _OLDER_FORMS.get(block["label"])
        if parser is not None:
            raise AuthOptionsError(
                f"x509: failed to parse private key (use {parser} instead for this key format)"
            )
        raise AuthOptionsError(f"key is not a valid {name} key")
    return key


def _load_private(content: bytes) -> Key:
    return load_der_private_key(content, password=None)


def _load_public(family: _Family) -> Callable[[bytes], Key]:
    def load(content: bytes) -> Key:
        try:
            return load_der_public_key(content)
        except _UNREADABLE:
            if not family.takes_certificates:
                raise
            return load_der_x509_certificate(content).public_key()

    return load
