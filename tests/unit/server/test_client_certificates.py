"""Which clients are let in, of those whose certificates are valid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from etcdpy.server.client_certificates import (
    RevocationList,
    check_names,
    common_name,
    names_of,
    stamp,
)
from etcdpy.transport import PeerRefusedError
from tests.support.certificates import Authority, Pair


def certificate(*names: tuple[str, str]) -> dict[str, object]:
    """Return what OpenSSL tells of a certificate for these names."""
    return {"subjectAltName": names}


def is_allowed(name: str, *alternatives: tuple[str, str]) -> bool:
    try:
        check_names(certificate(*alternatives), ["no.example", name])
    except PeerRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        ("a.example", "a.example", True),
        ("A.Example", "a.exAMPLE", True),
        ("a.example.", "a.example", True),
        ("a.example", "b.example", False),
        ("a.example", "example", False),
        ("a.b.example", "*.b.example", True),
        ("b.example", "*.b.example", False),
        ("x.a.b.example", "*.b.example", False),
        ("a.b.example", "a.*.example", False),
        ("ax.example", "a*.example", False),
        ("a", "*", False),
        ("a", "a", True),
        (" a.example", "a.example", False),
        ("", "a.example", False),
        ("a..example", "a..example", True),
    ],
)
def test_host_names_are_compared_as_go_compares_them(
    name: str, pattern: str, matches: bool
) -> None:
    assert is_allowed(name, ("DNS", pattern)) is matches


@pytest.mark.parametrize(
    ("name", "address", "matches"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("[::1]", "0:0:0:0:0:0:0:1", True),
    ],
)
def test_addresses_are_compared_as_addresses(name: str, address: str, matches: bool) -> None:
    assert is_allowed(name, ("IP Address", address)) is matches


def test_refusal_is_etcds() -> None:
    with pytest.raises(PeerRefusedError, match=r"^client certificate authentication failed$"):
        check_names({}, ["a"])


def test_address_is_no_host_name_and_the_other_way_round() -> None:
    assert not is_allowed("10.0.0.1", ("DNS", "10.0.0.1"))
    assert not is_allowed("a.example", ("URI", "a.example"))
    assert not is_allowed("a.example")


def test_names_are_told_apart() -> None:
    found = names_of(certificate(("DNS", "a"), ("IP Address", "10.0.0.1"), ("email", "x@y")))
    assert found == (["10.0.0.1"], ["a"])
    assert names_of({}) == ([], [])


def test_common_name_is_the_last_one() -> None:
    assert common_name({}) == ""
    assert common_name({"subject": ((("organizationName", "o"),),)}) == ""
    two = ((("commonName", "first"),), (("commonName", "last"),))
    assert common_name({"subject": two}) == "last"


def test_stamp_changes_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert stamp(str(path)) is None
    path.write_text("a")
    first = stamp(str(path))
    other = tmp_path / "g"
    other.write_text("a")
    os.replace(other, path)
    assert stamp(str(path)) not in (None, first)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


def der(pair: Pair) -> bytes:
    return pair.parsed.public_bytes(Encoding.DER)


def refusal(revoked: RevocationList, *pairs: Pair) -> str:
    try:
        revoked.check(map(der, pairs))
    except PeerRefusedError as error:
        return str(error)
    return ""


def test_any_certificate_that_is_shown_may_be_revoked(authority: Authority) -> None:
    good, bad = authority.client("good"), authority.client("bad")
    revoked = RevocationList(str(authority.revoke(bad.serial)))
    assert refusal(revoked, good) == ""
    text = f"transport: certificate serial {bad.serial:x} revoked"
    assert refusal(revoked, bad) == refusal(revoked, good, bad) == text


def test_list_is_read_again_when_it_has_changed(authority: Authority) -> None:
    pair = authority.client("alice")
    path = authority.revoke(1)
    revoked = RevocationList(str(path))
    assert refusal(revoked, pair) == ""
    os.replace(authority.revoke(pair.serial, file="new"), path)
    assert refusal(revoked, pair).endswith("revoked")
    path.unlink()
    assert refusal(revoked, pair) == f"open {path}: no such file or directory"
    authority.revoke(1)
    assert refusal(revoked, pair) == ""


def test_list_that_is_none_refuses_everybody(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("-----BEGIN X509 CRL-----\nYWJj\n-----END X509 CRL-----\n")
    revoked = RevocationList(str(path))
    for _ in range(2):
        assert refusal(revoked, authority.client("alice")) == "x509: malformed crl"
