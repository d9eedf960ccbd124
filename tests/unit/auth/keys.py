"""Keys for signed tokens, in every form that a file may have."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}

#: The key that each method is usually used with.
KEY_OF = {
    **{f"{kind}{bits}": "RSA" for kind in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
}


@cache
def key(name: str) -> Private:
    """Return a private key; ``RSA`` and ``RSA/other`` are two of one kind."""
    kind, _, bits = name.partition("/")
    if kind == "RSA":
        return rsa.generate_private_key(65537, int(bits) if bits.isdecimal() else 2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


def private(name: str, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key(name).private_bytes(Encoding.PEM, form, NoEncryption())


def public(name: str, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key(name).public_key().public_bytes(Encoding.PEM, form)


def certificate(name: str) -> bytes:
    """Return a certificate of a key, signed by itself."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
    made = (
        x509.CertificateBuilder(subject, subject)
        .public_key(key(name).public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=timezone.utc))
        .sign(key(name), None if name.startswith("Ed") else SHA256())
    )
    return made.public_bytes(Encoding.PEM)
