"""The certificate that a server makes for itself."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from etcdpy.server.auto_tls import SelfSigned, self_signed
from etcdpy.server.pem import check_pair
from etcdpy.testing.clock import MovableClock

HOSTS = ("127.0.0.1", "localhost", "", "127.0.0.1", "::1")


def made(data_dir: Path, years: int = 1) -> SelfSigned:
    return self_signed(data_dir, HOSTS, years, MovableClock())


def parsed(pair: SelfSigned) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(pair.certificate).read_bytes())


def test_pair_is_where_etcd_has_it_and_can_be_used(tmp_path: Path) -> None:
    pair = made(tmp_path / "data")
    folder = tmp_path / "data" / "fixtures" / "client"
    assert pair == (str(folder / "cert.pem"), str(folder / "key.pem"))
    check_pair(*pair, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert Path(pair.key).read_text().startswith("-----BEGIN EC PRIVATE KEY-----")
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder.parent, Path(pair.key))]
    assert modes == [0o700, 0o700, 0o600]
    assert sorted(path.name for path in folder.iterdir()) == ["cert.pem", "key.pem"]


def test_certificate_is_like_etcds(tmp_path: Path) -> None:
    certificate = parsed(made(tmp_path))
    assert certificate.subject.rfc4514_string() == "O=etcd"
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP521R1)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = names.get_values_for_type(x509.IPAddress)
    assert addresses == [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize("years", [1, 10])
def test_it_is_valid_for_as_long_as_is_said(tmp_path: Path, years: int) -> None:
    certificate = parsed(made(tmp_path, years))
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lasts == years * datetime.timedelta(days=365)


@pytest.mark.parametrize("years", [9000, 10**9, 2**63])
def test_there_is_a_last_day(tmp_path: Path, years: int) -> None:
    assert parsed(made(tmp_path, years)).not_valid_after_utc.year == 9999


def test_it_stays_as_it_is(tmp_path: Path) -> None:
    first = parsed(made(tmp_path))
    assert parsed(self_signed(tmp_path, ["other"], 5, MovableClock())) == first


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    pair = made(tmp_path)
    first = parsed(pair)
    Path(pair.key).unlink()
    assert parsed(made(tmp_path)) != first
    check_pair(*pair, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "fixtures").write_text("in the way")
    with pytest.raises(NotADirectoryError):
        made(tmp_path)
