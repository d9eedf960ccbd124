"""Which clients with a valid certificate are let in all the same, and what they are called."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from etcdpy.server.pem import UnusableFileError, read
from etcdpy.transport import PeerRefusedError

__all__ = [
    "RevocationList",
    "Stamp",
    "check_names",
    "common_name",
    "names_of",
    "presented",
    "stamp",
]

Certificate = Mapping[str, Any]
"""What ``SSLObject.getpeercert`` tells of one that was verified; empty if there is none."""

Stamp = tuple[int, int, int, int] | None

_DER = 2
_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]*", re.I)


def stamp(path: str) -> Stamp:
    """Return what changes with a file, None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def common_name(certificate: Certificate) -> str:
    """Return the common name of a certificate's subject, ``""`` if it has none."""
    names = [
        value
        for attributes in certificate.get("subject", ())
        for attribute, value in attributes
        if attribute == "commonName"
    ]
    # Of several the last one counts. (Go: ``pkix.Name.FillFromRDNSequence``)
    return names[-1] if names else ""


def names_of(certificate: Certificate) -> tuple[list[str], list[str]]:
    """Return the addresses and the host names that a certificate is for."""
    addresses, hosts = [], []
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "IP Address":
            addresses.append(str(ipaddress.ip_address(value.strip())))
        elif kind == "DNS":
            hosts.append(value)
    return addresses, hosts


def check_names(certificate: Certificate, allowed: Collection[str]) -> None:
    """
    Demand that a certificate is for one of these names. (etcd: ``TLSInfo.AllowedHostnames``)

    Raises:
        PeerRefusedError: It is for none of them.

    """
    addresses, hosts = names_of(certificate)
    if not any(_is_for(name, addresses, hosts) for name in allowed):
        raise PeerRefusedError("client certificate authentication failed")


def _is_for(name: str, addresses: Iterable[str], hosts: Iterable[str]) -> bool:
    """(Go: ``x509.Certificate.VerifyHostname``)"""
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return any(_matches(pattern.lower(), name.lower()) for pattern in hosts)
    return str(address) in addresses


def _matches(pattern: str, host: str) -> bool:
    if not _is_host(host.removesuffix(".")) or pattern == "*":
        return pattern == host not in ("", ".")
    first, *rest = pattern.split(".")
    label, *others = host.removesuffix(".").split(".")
    if rest != others or not _is_host(".".join(rest) or label):
        return False
    # RFC 6125 6.4.3: it stands for one label, the first, as a whole.
    return first in ("*", label)


def _is_host(name: str) -> bool:
    return all(_LABEL.fullmatch(label) for label in name.split("."))


def presented(session: ssl.SSLObject) -> list[bytes]:
    """Return the certificates that a client has shown, its own first, as DER."""
    # Its public name is newer than Python 3.12.
    chain = getattr(session, "get_unverified_chain", None)
    if chain is not None:
        return list(chain())
    inner = session._sslobj  # type: ignore[attr-defined]
    return [one.public_bytes(_DER) for one in inner.get_unverified_chain() or ()]


class RevocationList:
    """
    A file of the certificates that are not to be trusted any more, in DER.

    It is read again when it has changed. (etcd reads it for each connection: ``checkCRL``)

    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: Stamp = None
        self._list: Any = None

    def check(self, certificates: Iterable[bytes]) -> None:
        """
        Demand that none of these is on the list; whoever has signed it does not matter, as in etcd.

        Raises:
            PeerRefusedError: One is, or the list cannot be read, so that nobody can tell.

        """
        # Whoever has no such list does without the time that it takes to import.
        from cryptography import x509

        revoked = self._read()
        for certificate in certificates:
            try:
                serial = x509.load_der_x509_certificate(certificate).serial_number
            except ValueError as error:
                raise PeerRefusedError(f"x509: {error}") from None
            if revoked.get_revoked_certificate_by_serial_number(serial) is not None:
                raise PeerRefusedError(f"transport: certificate serial {serial:x} revoked")

    def _read(self) -> Any:
        from cryptography import x509

        found = stamp(self._path)
        if found is None or found != self._stamp:
            self._stamp = None
            try:
                self._list = x509.load_der_x509_crl(read(self._path))
            except UnusableFileError as error:
                raise PeerRefusedError(str(error)) from None
            except ValueError:
                raise PeerRefusedError("x509: malformed crl") from None
            self._stamp = found
        return self._list
