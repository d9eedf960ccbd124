"""Files with certificates and keys, and what Go says of those it cannot use."""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

__all__ = ["UnusableFileError", "authorities", "check_pair", "read"]

_BLOCK = re.compile(rb"^-----BEGIN ([^\n-]*)-----\s*$(.*?)^-----END \1-----", re.M | re.S)
#: RFC 1421 4.6: what a block may begin with besides its content, such as how it is encrypted.
_HEADER = re.compile(rb"^[^\n:]+:[^\n]*$", re.M)

_CERTIFICATE, _KEY = "CERTIFICATE", "PRIVATE KEY"


class UnusableFileError(Exception):
    """A file cannot be used for TLS; the text is Go's."""


def read(path: str) -> bytes:
    """
    Return what a file holds.

    Raises:
        UnusableFileError: It cannot be read.

    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        # Go opens a directory, and finds out when it reads.
        what = "read" if isinstance(error, IsADirectoryError) else "open"
        reason = os.strerror(error.errno or 0).lower()
        raise UnusableFileError(f"{what} {path}: {reason}") from None


def check_pair(certificate: str, key: str, context: ssl.SSLContext) -> None:
    """
    Load a certificate and its key into ``context``. (Go: ``tls.X509KeyPair``)

    Raises:
        UnusableFileError: One of them is no such thing, or they are not of each other.

    """
    certificates, keys = read(certificate), read(key)
    _demand_certificate([kind for kind, _ in _blocks(certificates)])
    _demand_key([kind for kind, _ in _blocks(keys)])
    try:
        # Asked for a password, OpenSSL would ask whoever sits at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise UnusableFileError(_why(error, certificates)) from None
    except OSError as error:
        # Gone since it was read.
        raise UnusableFileError(f"open: {error.strerror}") from None


def authorities(path: str) -> bytes:
    """
    Return the certificates of a file as DER, one behind the other. (etcd: ``tlsutil.NewCertPool``)

    Raises:
        UnusableFileError: It cannot be read, or holds something else.

    """
    found = []
    for kind, content in _blocks(read(path)):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=content)
        except ssl.SSLError:
            # etcd takes every block for a certificate.
            is_key = kind.endswith(_KEY)
            what = "malformed tbs certificate" if is_key else "malformed certificate"
            raise UnusableFileError(f"x509: {what}") from None
        found.append(content)
    return b"".join(found)


def _blocks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what each block is, and its content, passing over what is none. (Go: ``pem.Decode``)"""
    for match in _BLOCK.finditer(data):
        try:
            content = base64.b64decode(b"".join(_HEADER.sub(b"", match[2]).split()), validate=True)
        except ValueError:
            continue
        yield match[1].decode("latin-1"), content


def _demand_certificate(kinds: list[str]) -> None:
    if _CERTIFICATE in kinds:
        return
    if not kinds:
        raise UnusableFileError("tls: failed to find any PEM data in certificate input")
    if len(kinds) == 1 and kinds[0].endswith(_KEY):
        raise UnusableFileError(
            "tls: failed to find certificate PEM data in certificate input, but did find a private "
            "key; PEM inputs may have been switched"
        )
    raise UnusableFileError(
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM '
        f"blocks of the following types: [{' '.join(kinds)}]"
    )


def _demand_key(kinds: list[str]) -> None:
    if any(kind.endswith(_KEY) for kind in kinds):
        return
    if not kinds:
        raise UnusableFileError("tls: failed to find any PEM data in key input")
    if kinds == [_CERTIFICATE]:
        raise UnusableFileError(
            "tls: found a certificate rather than a key in the PEM for the private key"
        )
    raise UnusableFileError(
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after '
        f"skipping PEM blocks of the following types: [{' '.join(kinds)}]"
    )


def _why(error: ssl.SSLError | ValueError, certificates: bytes) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    if reason == "KEY_VALUES_MISMATCH":
        return "tls: private key does not match public key"
    # OpenSSL has a place for each type of key, and no certificate in that of this one.
    if reason in ("KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return "tls: private key type does not match public key type"
    first = next(content for kind, content in _blocks(certificates) if kind == _CERTIFICATE)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=first)
    except ssl.SSLError:
        return "x509: malformed certificate"
    if reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"tls: {reason.replace('_', ' ').lower()}"
    return "tls: failed to parse private key"
