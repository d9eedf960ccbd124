"""Refusals of OpenSSL in the words that Go has for them."""

from __future__ import annotations

import ssl

import pytest

from etcdpy.transport.aio.client_hello import ClientHello
from etcdpy.transport.aio.tls_words import in_words

HELLO = ClientHello("", (), (0x302, 0x301), (0xC030, 0xFF))


def failure(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "tls: client didn't provide a certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "remote error: tls: unknown certificate authority"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "remote error: tls: bad certificate"),
        ("TLSV1_ALERT_SOMETHING_NEW", "remote error: tls: something new"),
        ("UNSUPPORTED_PROTOCOL", "tls: client offered only unsupported versions: [302 301]"),
        (
            "NO_SHARED_CIPHER",
            "tls: no cipher suite supported by both client and server; client offered: [c030 ff]",
        ),
        ("BAD_EXTENSION", "tls: bad extension"),
    ],
)
def test_reason_is_told_as_go_tells_it(reason: str, text: str) -> None:
    assert in_words(failure(reason), HELLO) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (10, "x509: certificate has expired or is not yet valid"),
        (20, "x509: certificate signed by unknown authority"),
        (26, "x509: certificate specifies an incompatible key usage"),
    ],
)
def test_certificate_that_does_not_verify_is_told_why(code: int, text: str) -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.reason, error.verify_code = "CERTIFICATE_VERIFY_FAILED", code
    assert in_words(error, HELLO) == f"tls: failed to verify certificate: {text}"


def test_without_a_hello_that_could_be_read_the_reason_is_openssls() -> None:
    assert in_words(failure("NO_SHARED_CIPHER"), None) == "tls: no shared cipher"
