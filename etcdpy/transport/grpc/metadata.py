"""Custom metadata in header fields, and the timeout, which is a field of its own."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import Final, NamedTuple

from etcdpy.gostd.quoting import go_quote
from etcdpy.transport.grpc.status import INTERNAL, Metadata, ProtocolStatus
from etcdpy.transport.http2.hpack import Field


class Metadatum(NamedTuple):
    """One entry of a call's invocation metadata."""

    key: str
    value: str | bytes


# What gRPC itself means by a field is no metadata. user-agent is one in grpc-go and grpcio.
_RESERVED: Final = frozenset(
    (
        b"content-type",
        b"te",
        b"host",
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-message",
        b"grpc-message-type",
        b"grpc-status",
    )
)

_PRINTABLE: Final = bytes(range(0x20, 0x7F))


def read_metadata(fields: Iterable[Field]) -> tuple[Metadatum, ...]:
    """
    Return the custom metadata among ``fields``, duplicates kept in order.

    A value that is not printable ASCII is left out, as C-core does. A ``-bin`` value is one value:
    grpc-go takes none apart at its commas.

    Raises:
        ProtocolStatus: A ``-bin`` value is no base64. Of several the last one is named.

    """
    entries: list[Metadatum] = []
    fault: Field | None = None
    for name, value in fields:
        if name in _RESERVED or name[0] == 0x3A:  # RFC 9113 8.3: a pseudo-header field
            continue
        key = name.decode("ascii")
        if name.endswith(b"-bin"):
            try:
                entries.append(Metadatum(key, _decode_bin(value)))
            except Base64Error:
                # A few bytes may stand for many long ones, so one alone is put into words.
                fault = name, value
        elif not value.translate(None, _PRINTABLE):
            entries.append(Metadatum(key, value.decode("ascii")))
    if fault is not None:
        name, value = fault
        raise ProtocolStatus(
            INTERNAL,
            f"malformed binary metadata {go_quote(value)} in header {go_quote(name)}: "
            f"illegal base64 data at input byte {_first_fault(value)}",
        )
    return tuple(entries)


def _decode_bin(value: bytes) -> bytes:
    # Both with padding and without (gRPC over HTTP/2, "Custom-Metadata").
    missing = -len(value) % 4
    if missing and b"=" in value:
        raise Base64Error
    return b64decode(value + b"=" * missing, validate=True)


_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _first_fault(value: bytes) -> int:
    """Return the offset that Go's decoder names for a value it refuses."""
    padded = len(value) % 4 == 0
    for pos, byte in enumerate(value):
        if byte in _ALPHABET:
            continue
        if byte != 0x3D or not padded or pos % 4 < 2:
            return pos
        if pos % 4 == 2 and value[pos + 1] != 0x3D:
            return pos
        return pos + (2 if pos % 4 == 2 else 1)
    return len(value) - 1


def write_metadata(metadata: Metadata) -> list[Field]:
    """
    Return the fields for custom metadata of a response.

    Raises:
        ValueError: A key or value cannot be sent; it is the handler's fault.

    """
    return [_write(key, value) for key, value in metadata]


_KEY_CHARS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789_-."


def _write(key: str, value: str | bytes) -> Field:
    name = key.encode("ascii")
    # gRPC over HTTP/2, "Custom-Metadata"; and RFC 9113 8.2.1: no upper case.
    if not name or name.translate(None, _KEY_CHARS) or key.startswith("grpc-"):
        raise ValueError(f"metadata key {key!r}")
    raw = value.encode("ascii") if isinstance(value, str) else bytes(value)
    if key.endswith("-bin"):
        # gRPC over HTTP/2, "Custom-Metadata": best sent without padding.
        return name, b64encode(raw).rstrip(b"=")
    if raw.translate(None, _PRINTABLE):
        raise ValueError(f"value of metadata key {key!r}")
    return name, raw


_UNITS: Final = {
    0x48: 3600.0,  # H
    0x4D: 60.0,  # M
    0x53: 1.0,  # S
    0x6D: 1e-3,  # m
    0x75: 1e-6,  # u
    0x6E: 1e-9,  # n
}

_MAX_HOURS: Final = 2562047
"""The most that Go's time.Duration holds."""


def parse_timeout(value: bytes) -> float | None:
    """
    Return the seconds in a grpc-timeout value, None if that is for ever.

    Raises:
        ProtocolStatus: Malformed; the text is grpc-go's.

    """
    # gRPC over HTTP/2, "Timeout": up to eight digits, then a unit.
    unit = _UNITS.get(value[-1]) if value else None
    digits = value[:-1]
    if unit is None or not digits.isdigit() or len(value) > 9:
        raise ProtocolStatus(INTERNAL, f"malformed grpc-timeout: {_timeout_fault(value)}")
    amount = int(digits)
    if unit == 3600.0 and amount > _MAX_HOURS:
        return None
    return amount * unit


def _timeout_fault(value: bytes) -> str:
    if len(value) < 2:
        return f"transport: timeout string is too short: {go_quote(value)}"
    if len(value) > 9:
        return f"transport: timeout string is too long: {go_quote(value)}"
    if value[-1] not in _UNITS:
        return f"transport: timeout unit is not recognized: {go_quote(value)}"
    return f"strconv.ParseUint: parsing {go_quote(value[:-1])}: invalid syntax"
