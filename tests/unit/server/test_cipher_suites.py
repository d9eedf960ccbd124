"""Go's names of cipher suites become OpenSSL's."""

from __future__ import annotations

import ssl

import pytest

from etcdpy.server.cipher_suites import (
    DEFAULT_SUITES,
    CipherSuitesError,
    check_http2,
    check_names,
    openssl_suites,
)


def offered(*names: str) -> list[str]:
    """Return what a context made with these has, TLS 1.3 apart."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(openssl_suites(names))
    found = [one["name"] for one in context.get_ciphers()]
    return [name for name in found if not name.startswith("TLS_")]


def test_default_is_all_there() -> None:
    check_names(DEFAULT_SUITES)
    assert len(offered(*DEFAULT_SUITES)) == len(DEFAULT_SUITES)
    assert offered(*DEFAULT_SUITES)[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_preference_is_gos_and_not_that_of_the_list() -> None:
    assert offered(
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ) == ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]


def test_what_openssl_does_not_have_is_passed_over() -> None:
    names = ("TLS_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    check_names(names)
    assert offered(*names) == ["ECDHE-RSA-AES128-GCM-SHA256"]


def test_list_of_none_is_the_usual_one() -> None:
    assert offered("TLS_AES_128_GCM_SHA256") == offered() == offered(*DEFAULT_SUITES)


def test_old_names_are_known() -> None:
    old = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"
    check_names([old])
    assert offered(old) == offered(old + "_SHA256") == ["ECDHE-RSA-CHACHA20-POLY1305"]


@pytest.mark.parametrize("name", ["NOPE", "", "tls_ecdhe_rsa_with_aes_128_gcm_sha256"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(CipherSuitesError) as error:
        check_names([name])
    assert str(error.value) == f'unexpected TLS cipher suite "{name}"'


def test_list_without_a_suite_of_http2_is_refused() -> None:
    check_http2(())
    check_http2(("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))
    with pytest.raises(CipherSuitesError, match=r"^http2: TLSConfig\.CipherSuites is missing"):
        check_http2(("TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"))
