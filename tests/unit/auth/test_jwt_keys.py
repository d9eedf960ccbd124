"""Keys of signed tokens are read as Go reads them."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat, PublicFormat

from etcdpy.auth.jwt_keys import read_keys
from etcdpy.auth.options import AuthOptionsError
from tests.unit.auth.keys import KEY_OF, certificate, key, private, public

OLDER = PrivateFormat.TraditionalOpenSSL


def refusal(method: str, private: bytes, public: bytes = b"") -> str:
    with pytest.raises(AuthOptionsError) as caught:
        read_keys(method, private, public)
    return str(caught.value)


@pytest.mark.parametrize(("method", "name"), KEY_OF.items())
def test_private_key_checks_as_well(method: str, name: str) -> None:
    pair = read_keys(method, private(name), b"")
    assert pair.private is not None
    assert pair.public == key(name).public_key()


@pytest.mark.parametrize(("method", "name"), KEY_OF.items())
def test_public_key_alone_only_checks(method: str, name: str) -> None:
    assert read_keys(method, b"", public(name)) == (None, key(name).public_key())


@pytest.mark.parametrize(("method", "name"), KEY_OF.items())
def test_both_have_to_belong_together(method: str, name: str) -> None:
    pair = read_keys(method, private(name), public(name))
    assert (pair.private is None, pair.public) == (False, key(name).public_key())
    words = "auth: public and private keys don't match"
    assert refusal(method, private(name), public(f"{name}/other")) == words


@pytest.mark.parametrize("method", [*KEY_OF, "HS256", "HS384", "HS512"])
def test_there_has_to_be_a_key(method: str) -> None:
    assert refusal(method, b"") == "auth: missing key data"


@pytest.mark.parametrize(("method", "name"), [("RS256", "RSA"), ("ES256", "P-256")])
def test_older_form_of_a_private_key_is_read(method: str, name: str) -> None:
    assert read_keys(method, private(name, OLDER), b"").public == key(name).public_key()


def test_older_form_of_a_public_key_is_read() -> None:
    assert read_keys("RS256", b"", public("RSA", PublicFormat.PKCS1)).public == (
        key("RSA").public_key()
    )


@pytest.mark.parametrize(("method", "name"), [("RS256", "RSA"), ("ES256", "P-256")])
def test_public_key_may_be_in_a_certificate(method: str, name: str) -> None:
    assert read_keys(method, b"", certificate(name)).public == key(name).public_key()


def test_ed25519_is_not_taken_from_a_certificate() -> None:
    assert refusal("EdDSA", b"", certificate("Ed25519")) == (
        "x509: failed to parse Ed25519 public key"
    )


def test_text_around_a_key_and_what_it_calls_itself_do_not_matter() -> None:
    content = b"of the shop\n" + private("RSA").replace(b"PRIVATE KEY", b"THING") + b"\nrest"
    assert read_keys("RS256", content, b"").public == key("RSA").public_key()
    with_windows_lines = private("RSA").replace(b"\n", b"\r\n")
    assert read_keys("RS256", with_windows_lines, b"").public == key("RSA").public_key()


def test_only_the_first_block_counts() -> None:
    # As ``openssl ecparam -genkey`` writes it; golang-jwt does not look further either.
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    words = "x509: failed to parse ECDSA private key"
    assert refusal("ES256", parameters + private("P-256")) == words


def test_secret_is_the_very_bytes_of_its_file() -> None:
    for secret in (b"x", b" spaces and\n", bytes(range(256)), private("RSA"), b'{"kty":"oct"}'):
        assert read_keys("HS256", secret, b"ignored") == (secret, secret)


def test_secret_is_not_taken_from_the_public_key() -> None:
    assert refusal("HS256", b"", b"secret") == "auth: missing key data"


@pytest.mark.parametrize("content", [b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA", b"\xff" * 9])
@pytest.mark.parametrize("method", ["RS256", "PS256", "ES256", "EdDSA"])
def test_file_has_to_be_pem(method: str, content: bytes) -> None:
    words = "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key"
    assert refusal(method, content) == refusal(method, b"", content) == words


@pytest.mark.parametrize("body", [b"AAAA", b"====", b"A", b""])
def test_block_has_to_hold_a_key(body: bytes) -> None:
    block = b"-----BEGIN X-----\n" + body + b"\n-----END X-----\n"
    assert refusal("RS256", block) == "x509: failed to parse RSA private key"
    assert refusal("ES256", b"", block) == "x509: failed to parse ECDSA public key"


@pytest.mark.parametrize(
    ("method", "name", "kind"),
    [
        ("RS256", "Ed25519", "RSA"),
        ("RS256", "P-256", "RSA"),
        ("PS384", "P-256", "RSA"),
        ("ES256", "RSA", "ECDSA"),
        ("EdDSA", "RSA", "Ed25519"),
        ("EdDSA", "P-256", "Ed25519"),
    ],
)
def test_key_has_to_be_of_the_method(method: str, name: str, kind: str) -> None:
    assert refusal(method, private(name)) == f"key is not a valid {kind} private key"
    assert refusal(method, b"", public(name)) == f"key is not a valid {kind} public key"


@pytest.mark.parametrize(
    ("method", "name", "parser"),
    [("ES256", "RSA", "ParsePKCS1PrivateKey"), ("RS256", "P-256", "ParseECPrivateKey")],
)
def test_key_of_another_method_in_the_older_form(method: str, name: str, parser: str) -> None:
    assert re.search(rf"use {parser} instead", refusal(method, private(name, OLDER)))
