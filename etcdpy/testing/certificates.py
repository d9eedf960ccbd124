"""Certificates for a test's server: an authority, and what it signs for the server and a client."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from etcdpy.clock import SystemClock
from etcdpy.testing.where import Certificates

__all__ = ["make_certificates"]

_DAY: Final = datetime.timedelta(days=1)
_NAMES: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, and what it signs, in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("etcdpy.testing")
    extensions = x509.BasicConstraints(ca=True, path_length=None)
    builder = _builder(name, name, key.public_key()).add_extension(extensions, critical=True)
    ca = folder / "ca.pem"
    ca.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return Certificates(
        str(ca),
        *_signed(folder, "server", name, key),
        *_signed(folder, "root", name, key, file="client"),
    )


def _signed(
    folder: Path,
    name: str,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    file: str | None = None,
) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(_named(name), issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .sign(signer, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{file or name}.pem", folder / f"{file or name}-key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key_path.chmod(0o600)
    return str(cert_path), str(key_path)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.fromtimestamp(SystemClock.wall(), datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        # Long enough for any test that moves the clock of its client.
        .not_valid_after(now + 3650 * _DAY)
    )
