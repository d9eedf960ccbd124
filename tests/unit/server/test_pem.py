"""Files that can be used for TLS, and what is said of those that cannot."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from etcdpy.server.pem import UnusableFileError, authorities, check_pair
from tests.support.certificates import Authority, Pair

OTHER = b"-----BEGIN X509 CRL-----\nYWJj\n-----END X509 CRL-----\n"


def checked(certificate: Path | str, key: Path | str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    check_pair(str(certificate), str(key), context)
    return context


def refusal(certificate: Path | str, key: Path | str) -> str:
    with pytest.raises(UnusableFileError) as error:
        checked(certificate, key)
    return str(error.value)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.server()


def written(pair: Pair, content: bytes) -> Path:
    path = pair.key.with_name("other.pem")
    path.write_bytes(content)
    return path


def test_pair_is_loaded(pair: Pair) -> None:
    checked(*pair)


def test_what_stands_around_the_blocks_does_not_matter(pair: Pair) -> None:
    certificate = written(pair, b"a comment\n" + pair.certificate.read_bytes() + OTHER)
    checked(certificate, pair.key)


def test_file_that_cannot_be_read(pair: Pair) -> None:
    assert refusal("/none", pair.key) == "open /none: no such file or directory"
    assert refusal(pair.certificate, "/none") == "open /none: no such file or directory"
    folder = pair.key.parent
    assert refusal(folder, pair.key) == f"read {folder}: is a directory"


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"-----BEGIN CERTIFICATE-----\nAA"])
def test_file_without_a_block(pair: Pair, content: bytes) -> None:
    path = written(pair, content)
    text = "tls: failed to find any PEM data in {} input"
    assert refusal(path, pair.key) == text.format("certificate")
    assert refusal(pair.certificate, path) == text.format("key")


def test_files_that_were_mixed_up(pair: Pair) -> None:
    assert refusal(pair.key, pair.key).endswith("PEM inputs may have been switched")
    text = "tls: found a certificate rather than a key in the PEM for the private key"
    assert refusal(pair.certificate, pair.certificate) == text


def test_file_of_something_else(pair: Pair) -> None:
    path = written(pair, OTHER)
    assert refusal(path, pair.key) == (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM '
        "blocks of the following types: [X509 CRL]"
    )
    assert refusal(pair.certificate, path) == (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after '
        "skipping PEM blocks of the following types: [X509 CRL]"
    )


def test_key_of_another_certificate(authority: Authority, pair: Pair) -> None:
    other = authority.server("other")
    assert refusal(pair.certificate, other.key) == "tls: private key does not match public key"
    text = "tls: private key type does not match public key type"
    of_rsa = authority.server("rsa", key=rsa.generate_private_key(65537, 2048))
    assert refusal(pair.certificate, of_rsa.key) == text


def test_damaged_content(pair: Pair) -> None:
    certificate = written(pair, pair.certificate.read_bytes().replace(b"M", b"A", 3))
    assert refusal(certificate, pair.key) == "x509: malformed certificate"
    key = written(pair, pair.key.read_bytes().replace(b"M", b"A", 3))
    assert refusal(pair.certificate, key) == "tls: failed to parse private key"


def test_authorities_are_all_those_in_a_file(authority: Authority, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other", "other")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.path.read_bytes() + other.path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authorities(str(both)))
    assert len(context.get_ca_certs()) == 2


def test_file_without_authorities_trusts_nobody(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing\n")
    assert authorities(str(path)) == b""


def test_authorities_that_are_none(pair: Pair) -> None:
    for path, text in (
        ("/none", "open /none: no such file or directory"),
        (pair.key, "x509: malformed tbs certificate"),
        (written(pair, OTHER), "x509: malformed certificate"),
    ):
        with pytest.raises(UnusableFileError) as error:
            authorities(str(path))
        assert str(error.value) == text
