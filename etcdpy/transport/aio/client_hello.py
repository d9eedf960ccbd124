"""
What a client says first over TLS, read before any memory or work is spent on it.

::

    record     22 | 3 1 | length          RFC 8446 5.1: type, version, two bytes of length
    handshake  1 | length                 4: client_hello, three bytes of length
    hello      3 3 | random 32 | session id | suites | compressions | extensions

A hello in several records is left to OpenSSL: nobody sends one.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

__all__ = ["ClientHello", "NotTlsError", "is_whole", "parse"]

_ALERT: Final = 21
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RECORD: Final = Struct(">BHH")
#: (Go: ``crypto/tls``, ``maxCiphertext``: RFC 5246 6.2.3)
MAX_RECORD: Final = 16384 + 2048
#: Any version of TLS is below; text is not. (Go: ``crypto/tls``, ``readRecordOrCCS``)
_MAX_VERSION: Final = 0x1000

_SERVER_NAME, _PROTOCOLS, _VERSIONS = 0, 16, 43
_KNOWN_VERSIONS = (0x304, 0x303, 0x302, 0x301)

ALERT_RECORD_OVERFLOW: Final = 22


class NotTlsError(Exception):
    """
    What arrived begins no handshake; the text is Go's.

    Attributes:
        alert: What to tell the client, None for nothing.

    """

    def __init__(self, message: str, alert: int | None = None) -> None:
        super().__init__(message)
        self.alert = alert


class ClientHello(NamedTuple):
    """
    What a client offers.

    Attributes:
        server_name: Which server it wants to reach, ``""`` if it does not say.
        protocols: What it would speak, in its order; empty without ALPN.
        versions: Of TLS, the best first.
        suites: Numbers of cipher suites.

    """

    server_name: str
    protocols: tuple[bytes, ...]
    versions: tuple[int, ...]
    suites: tuple[int, ...]


def is_whole(data: bytes) -> bool:
    """
    Tell whether the first record is there.

    Raises:
        NotTlsError: It is none of a handshake, or has no end that is worth waiting for.

    """
    if not data:
        return False
    # The first byte tells text from TLS: a server that waits for more may wait for ever.
    if data[0] not in (_HANDSHAKE, _ALERT):
        raise NotTlsError("tls: first record does not look like a TLS handshake")
    if len(data) < _RECORD.size:
        return False
    kind: int
    version: int
    length: int
    kind, version, length = _RECORD.unpack_from(data)
    if version >= _MAX_VERSION:
        raise NotTlsError("tls: first record does not look like a TLS handshake")
    if length > MAX_RECORD:
        text = f"tls: oversized record received with length {length}"
        raise NotTlsError(text, ALERT_RECORD_OVERFLOW)
    if kind == _ALERT and len(data) >= _RECORD.size + 2:
        raise NotTlsError("tls: the client sent an alert in place of its hello")
    return len(data) >= _RECORD.size + length


def parse(record: bytes) -> ClientHello | None:
    """Return what the hello in a whole record offers, None if that cannot be told."""
    try:
        return _parse(record)
    except (IndexError, ValueError):
        # OpenSSL refuses it in its own words.
        return None


def _parse(record: bytes) -> ClientHello | None:
    body = record[_RECORD.size : _RECORD.size + _number(record, 3, 2)]
    if body[0] != _CLIENT_HELLO or _number(body, 1, 3) + 4 > len(body):
        return None
    version, at = _number(body, 4, 2), 38
    at += 1 + body[at]  # the session's ID
    end = at + 2 + _number(body, at, 2)
    suites = tuple(_number(body, place, 2) for place in range(at + 2, end, 2))
    end += 1 + body[end]  # compressions
    end += 2  # the length of the extensions, which may be left out
    found = dict(_extensions(body[end : end + _number(body, end - 2, 2)] if body[end:] else b""))
    return ClientHello(
        _server_name(found.get(_SERVER_NAME, b"")),
        tuple(_protocols(found.get(_PROTOCOLS, b""))),
        _versions(found.get(_VERSIONS, b""), version),
        suites,
    )


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big")


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        length = _number(data, at + 2, 2)
        yield _number(data, at, 2), data[at + 4 : at + 4 + length]
        at += 4 + length


def _server_name(data: bytes) -> str:
    # RFC 6066 3: a list with one host name, whose type is 0.
    if not data or data[2] != 0:
        return ""
    return data[5 : 5 + _number(data, 3, 2)].decode("ascii")


def _protocols(data: bytes) -> Iterator[bytes]:
    at = 2
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def _versions(data: bytes, legacy: int) -> tuple[int, ...]:
    if data:
        return tuple(_number(data, at, 2) for at in range(1, 1 + data[0], 2))
    # RFC 8446 4.2.1: without the list the version is the best that it speaks.
    return tuple(version for version in _KNOWN_VERSIONS if version <= legacy)
