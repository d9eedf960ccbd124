"""Statuses and their messages on the wire."""

from urllib.parse import unquote

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.transport import StatusError
from etcdpy.transport.grpc.status import CODE_OF, StatusCode, encode_message, status_code


@pytest.mark.parametrize(
    ("details", "encoded"),
    [
        ("", b""),
        ("etcdserver: key is not provided", b"etcdserver: key is not provided"),
        ("100%", b"100%25"),
        ("a\nb\x7f", b"a%0Ab%7F"),
        ("é", b"%C3%A9"),
        ("proto:\u00a0bad", b"proto:%C2%A0bad"),
        ("\ud800", b"%EF%BF%BD%EF%BF%BD%EF%BF%BD"),
    ],
)
def test_message_is_percent_encoded_utf8(details: str, encoded: bytes) -> None:
    assert encode_message(details) == encoded


@given(st.text())
def test_encoded_message_is_printable_and_reads_back(details: str) -> None:
    encoded = encode_message(details)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert unquote(encoded.decode()) == details


def test_every_code_has_its_number() -> None:
    assert StatusCode.UNAUTHENTICATED.value == 16
    assert {CODE_OF[number] for number in range(17)} == set(StatusCode)


def test_codes_are_those_of_grpcio() -> None:
    ours = [(code.name, code.value) for code in StatusCode]
    assert ours == [(code.name, code.value[0]) for code in grpc.StatusCode]


@pytest.mark.parametrize("theirs", grpc.StatusCode)
def test_code_of_grpcio_is_taken_for_ours(theirs: grpc.StatusCode) -> None:
    ours = status_code(theirs)
    assert (type(ours), ours.name) == (StatusCode, theirs.name)
    assert status_code(ours) is ours


def test_status_error_shows_its_code_and_details() -> None:
    error = StatusError(grpc.StatusCode.NOT_FOUND, "no lease")
    assert "NOT_FOUND" in str(error)
    assert "no lease" in str(error)
