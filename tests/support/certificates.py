"""
Certificates for tests: an authority, and what it signs.

    authority = Authority.make(tmp_path)
    server = authority.server()
    alice = authority.client("alice")

Everything is a file in PEM, as servers and clients want to have it. Keys are of P-256, which
costs next to nothing to make.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


class Pair(NamedTuple):
    """A certificate and its key, in files."""

    certificate: Path
    key: Path

    @property
    def parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    @property
    def serial(self) -> int:
        return self.parsed.serial_number


@dataclass
class Authority:
    """
    Whoever signs certificates.

    Attributes:
        folder: Where everything is written.
        path: Its own certificate.

    """

    folder: Path
    path: Path
    _certificate: x509.Certificate
    _key: CertificateIssuerPrivateKeyTypes

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Authority:
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        certificate = (
            _builder(subject, subject, key.public_key(), days=365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(_id_of(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, path, certificate, key)

    @property
    def serial(self) -> int:
        return self._certificate.serial_number

    def between(self, name: str) -> Authority:
        """Return an authority that this one has signed; its clients show its certificate, too."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_subject(name), self._certificate.subject, key.public_key(), days=365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(_id_of(key.public_key()), critical=False)
            .add_extension(_id_of_issuer(self._certificate), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return Authority(self.folder, path, certificate, key)

    def server(
        self,
        file: str = "server",
        names: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> Pair:
        """Return a certificate for servers of these names and addresses."""
        return self.issue(file, "server", names, key=key)

    def client(
        self, name: str | None, names: Sequence[str] = (), *, file: str = "", days: int = 30
    ) -> Pair:
        """
        Return a certificate for a client.

        Args:
            name: The common name; None for a subject without one.
            names: Host names and addresses that it stands for.
            file: What the files are called, if not after the name.
            days: How long it is valid; negative for one that has expired.

        """
        return self.issue(file or f"client-{name}", name, names, days=days)

    def issue(
        self,
        file: str,
        name: str | None,
        names: Sequence[str] = (),
        *,
        days: int = 30,
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> Pair:
        """Sign a certificate that is good for servers and for clients."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_subject(name), self._certificate.subject, key.public_key(), days=days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(_id_of_issuer(self._certificate), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
        )
        if names:
            alternative = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = Pair(self.folder / f"{file}.pem", self.folder / f"{file}-key.pem")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def revoke(self, *serials: int, file: str = "revoked") -> Path:
        """Return a list of revoked certificates, in DER."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _DAY)
            .next_update(now + _DAY)
            .add_extension(x509.CRLNumber(1), critical=False)
            .add_extension(_id_of_issuer(self._certificate), critical=False)
        )
        for serial in serials:
            revoked = (
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _DAY)
            )
            builder = builder.add_revoked_certificate(revoked.build())
        path = self.folder / f"{file}.crl"
        crl = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(crl.public_bytes(serialization.Encoding.DER))
        return path

    def credentials(self, pair: Pair | None = None) -> grpc.ChannelCredentials:
        """Return what a client of gRPC connects with."""
        key, certificate = (
            (pair.key.read_bytes(), pair.certificate.read_bytes()) if pair else (None, None)
        )
        return grpc.ssl_channel_credentials(self.path.read_bytes(), key, certificate)

    def trusting(self, pair: Pair | None = None, *protocols: str) -> ssl.SSLContext:
        """Return a client's context that trusts this authority and shows a certificate."""
        context = ssl.create_default_context(cafile=str(self.path))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        context.set_alpn_protocols(list(protocols or ("h2",)))
        return context


def _subject(name: str | None) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests")
    if name is None:
        return x509.Name([organization])
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: object, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    # An expired one was valid before it expired.
    begin = now - _DAY + min(days, 0) * _DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + days * _DAY)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _id_of(public_key: ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def _id_of_issuer(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    public_key = certificate.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)
