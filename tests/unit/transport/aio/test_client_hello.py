"""What a hello offers, and what is none."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport.aio.client_hello import ClientHello, NotTlsError, is_whole, parse

NOT_TLS = "tls: first record does not look like a TLS handshake"


def hello(
    name: str | None = "a.example",
    protocols: tuple[str, ...] = ("h2", "http/1.1"),
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> bytes:
    """Return what OpenSSL's client says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = most
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def read(record: bytes) -> ClientHello:
    found = parse(record)
    assert found is not None
    return found


def test_hello_tells_what_its_client_would_like() -> None:
    found = read(hello())
    assert found.server_name == "a.example"
    assert found.protocols == (b"h2", b"http/1.1")
    assert found.versions[0] == 0x304
    assert 0x1301 in found.suites


def test_client_may_leave_out_whom_it_wants_to_reach_and_how() -> None:
    found = read(hello(None, ()))
    assert (found.server_name, found.protocols) == ("", ())


def test_old_client_names_its_best_version_alone() -> None:
    found = read(hello(most=ssl.TLSVersion.TLSv1_2))
    assert found.versions[0] == 0x303
    bare = b"\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x02" + bytes(32) + b"\0\0\x02\xc0\x2f\x01\0"
    assert read(bare) == ClientHello("", (), (0x302, 0x301), (0xC02F,))


def test_hello_is_whole_with_its_last_byte() -> None:
    record = hello()
    assert not any(is_whole(record[:length]) for length in range(len(record)))
    assert is_whole(record)
    assert is_whole(record + b"more")


@pytest.mark.parametrize(
    ("start", "text", "alert"),
    [
        (b"G", NOT_TLS, None),
        (b"PRI * HTTP/2.0\r\n", NOT_TLS, None),
        (b"\x17\x03\x03\0\1x", NOT_TLS, None),
        (b"\x16\x7f\x03\0\1", NOT_TLS, None),
        (b"\x16\x03\x01\xff\xff", "tls: oversized record received with length 65535", 22),
        (
            b"\x15\x03\x01\0\2\2\x2a",
            "tls: the client sent an alert in place of its hello",
            None,
        ),
    ],
)
def test_what_begins_no_handshake_is_told_from_one_as_soon_as_that_is_clear(
    start: bytes, text: str, alert: int | None
) -> None:
    with pytest.raises(NotTlsError) as error:
        is_whole(start)
    assert (str(error.value), error.value.alert) == (text, alert)


def test_hello_in_several_records_is_left_to_openssl() -> None:
    record = hello()
    first = record[:3] + (100).to_bytes(2, "big") + record[5:105]
    assert is_whole(first)
    assert parse(first) is None


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_damaged_hello_is_none_or_another(noise: bytes, at: int, byte: int) -> None:
    record = bytearray(_HELLO)
    record[5 + at % (len(record) - 5)] = byte
    parse(bytes(record))
    parse(b"\x16\x03\x01" + len(noise).to_bytes(2, "big") + noise)


_HELLO = hello()
