"""Go's words for what OpenSSL refuses: operators know them, and their alerts look for them."""

from __future__ import annotations

import ssl

from etcdpy.transport.aio.client_hello import ClientHello

__all__ = ["in_words"]

#: (Go: ``crypto/tls``, ``alertText``; OpenSSL: ``ssl_err.c``)
_ALERTS = {
    "UNEXPECTED_MESSAGE": "unexpected message",
    "BAD_RECORD_MAC": "bad record MAC",
    "RECORD_OVERFLOW": "record overflow",
    "HANDSHAKE_FAILURE": "handshake failure",
    "BAD_CERTIFICATE": "bad certificate",
    "UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "CERTIFICATE_REVOKED": "revoked certificate",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
    "ILLEGAL_PARAMETER": "illegal parameter",
    "UNKNOWN_CA": "unknown certificate authority",
    "ACCESS_DENIED": "access denied",
    "DECODE_ERROR": "error decoding message",
    "DECRYPT_ERROR": "error decrypting message",
    "PROTOCOL_VERSION": "protocol version not supported",
    "INSUFFICIENT_SECURITY": "insufficient security level",
    "INTERNAL_ERROR": "internal error",
    "USER_CANCELLED": "user canceled",
    "NO_APPLICATION_PROTOCOL": "no application protocol",
    "CERTIFICATE_REQUIRED": "certificate required",
}
_ALERT = "_ALERT_"

#: What X509_verify_cert(3) returns, for the refusals that have a text of their own in Go.
_INVALID = {
    9: "x509: certificate has expired or is not yet valid",
    10: "x509: certificate has expired or is not yet valid",
    26: "x509: certificate specifies an incompatible key usage",
}
_UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority"

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "tls: client didn't provide a certificate",
    "HTTP_REQUEST": "tls: first record does not look like a TLS handshake",
    "WRONG_VERSION_NUMBER": "tls: first record does not look like a TLS handshake",
    "UNEXPECTED_EOF_WHILE_READING": "unexpected EOF",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "local error: tls: bad record MAC",
}


def in_words(error: ssl.SSLError, hello: ClientHello | None) -> str:
    """Return why a handshake failed, as Go says it where it has something like it."""
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _INVALID.get(error.verify_code, _UNKNOWN_AUTHORITY)
        return f"tls: failed to verify certificate: {why}"
    if reason == "UNSUPPORTED_PROTOCOL" and hello is not None:
        offered = " ".join(f"{version:x}" for version in hello.versions)
        return f"tls: client offered only unsupported versions: [{offered}]"
    if reason == "NO_SHARED_CIPHER" and hello is not None:
        offered = " ".join(f"{suite:x}" for suite in hello.suites)
        return (
            f"tls: no cipher suite supported by both client and server; client offered: [{offered}]"
        )
    if _ALERT in reason:
        name = reason.partition(_ALERT)[2]
        return f"remote error: tls: {_ALERTS.get(name, _spelled(name))}"
    return _REASONS.get(reason) or f"tls: {_spelled(reason) or str(error)}"


def _spelled(reason: str) -> str:
    return reason.replace("_", " ").lower()
