"""Go's names of cipher suites, and OpenSSL's for the same."""

from __future__ import annotations

from collections.abc import Collection

from etcdpy.gostd.quoting import go_quote

__all__ = ["DEFAULT_SUITES", "CipherSuitesError", "check_http2", "check_names", "openssl_suites"]


class CipherSuitesError(Exception):
    """Suites that cannot be used; the text is etcd's or Go's."""


#: Go's name to OpenSSL's, ``""`` where it is of TLS 1.3, whose suites cannot be chosen, in Go's
#: order of preference. (Go: ``crypto/tls``, ``CipherSuites`` and ``InsecureCipherSuites``)
_SUITES = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    # Names that older releases of Go had. (etcd: ``tlsutil.GetCipherSuite``)
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": "ECDHE-RSA-DES-CBC3-SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA": "ECDHE-ECDSA-RC4-SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA": "ECDHE-RSA-RC4-SHA",
    "TLS_RSA_WITH_RC4_128_SHA": "RC4-SHA",
}

#: What is offered unless it is said: Go's choice. (Go: ``crypto/tls``, ``defaultCipherSuites``)
DEFAULT_SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
)

#: RFC 9113 9.2.2: without one of these a client that speaks HTTP/2 may find nothing it may use.
_OF_HTTP2 = {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}


def check_names(names: Collection[str]) -> None:
    """
    Refuse a name that Go does not know. (etcd: ``embed.updateCipherSuites``)

    Raises:
        CipherSuitesError: In etcd's words.

    """
    for name in names:
        if name not in _SUITES:
            raise CipherSuitesError(f"unexpected TLS cipher suite {go_quote(name)}")


def check_http2(names: Collection[str]) -> None:
    """
    Refuse suites without which HTTP/2 cannot be. (Go: ``http2.ConfigureServer``)

    Raises:
        CipherSuitesError: In Go's words.

    """
    if names and not _OF_HTTP2 & set(names):
        raise CipherSuitesError(
            "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher "
            "(need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or "
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)"
        )


def openssl_suites(names: Collection[str]) -> str:
    """
    Return OpenSSL's list for suites in Go's names, all of which are known.

    Those it was built without are passed over, as RC4 mostly is. For none the list is the usual
    one: OpenSSL takes no empty one.
    """
    # In Go's order of preference, which counts there, too, and not in that of the setting.
    chosen = [ours for name, ours in _SUITES.items() if name in names and ours]
    if not chosen:
        return openssl_suites(DEFAULT_SUITES)
    # Level 1 takes what Go takes, such as RSA keys of 1024 bits. (SSL_CTX_set_security_level(3))
    return ":".join([*dict.fromkeys(chosen), "@SECLEVEL=1"])
