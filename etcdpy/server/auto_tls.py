"""Certificates that the server makes for itself: ``--auto-tls``."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from etcdpy.clock import Clock
from etcdpy.storage.datadir import make_directory, sync_directory

__all__ = ["SelfSigned", "self_signed"]

logger = logging.getLogger(__name__)

_YEAR = datetime.timedelta(days=365)
_LAST_MOMENT = datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc)
_PUBLIC_FILE, _PRIVATE_FILE = 0o644, 0o600


class SelfSigned(NamedTuple):
    """Where a certificate and its key are."""

    certificate: str
    key: str


def self_signed(data_dir: Path, hosts: Iterable[str], years: int, clock: Clock) -> SelfSigned:
    """
    Return the certificate of a data directory, making it unless it is there.

    One that is there is taken as it is, whatever it is for. (etcd: ``transport.SelfCert``)

    Args:
        data_dir: Made if it is missing.
        hosts: Names and addresses that it is for.
        years: How long it is valid, at least one.
        clock: What time it is.

    Raises:
        OSError: It cannot be written.

    """
    folder = (data_dir / "fixtures" / "client").absolute()
    paths = SelfSigned(str(folder / "cert.pem"), str(folder / "key.pem"))
    if not all(map(os.path.exists, paths)):
        make_directory(data_dir)
        make_directory(folder.parent, 0o700)
        make_directory(folder, 0o700)
        _make(paths, hosts, years, clock)
    return paths


def _make(paths: SelfSigned, hosts: Iterable[str], years: int, clock: Clock) -> None:
    # Others do without the time that it takes to import.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    begin = datetime.datetime.fromtimestamp(clock.wall(), datetime.timezone.utc)
    try:
        end = min(begin + years * _YEAR, _LAST_MOMENT)
    except OverflowError:
        end = _LAST_MOMENT
    bound = end.isoformat().replace("+00:00", "Z")
    logger.warning(
        "automatically generate certificates", {"certificate-validity-bound-not-after": bound}
    )
    key = ec.generate_private_key(ec.SECP521R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "etcd")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(_usage(x509), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
    )
    # A unix socket has no name that a certificate could be for.
    names = [_general(x509, host) for host in dict.fromkeys(hosts) if host]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA512())
    pem = serialization.Encoding.PEM
    _write(paths.certificate, certificate.public_bytes(pem), _PUBLIC_FILE)
    logger.info("created cert file", {"path": paths.certificate})
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    _write(paths.key, key.private_bytes(pem, kind, serialization.NoEncryption()), _PRIVATE_FILE)
    logger.info("created key file", {"path": paths.key})


def _usage(x509: Any) -> Any:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _general(x509: Any, host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: str, content: bytes, mode: int) -> None:
    """Write a file that is whole, and on disk, once it has its name."""
    partial = f"{path}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(partial, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_directory(Path(path).parent)
