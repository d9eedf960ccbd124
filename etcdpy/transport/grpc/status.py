"""The outcome of a call: gRPC status codes and messages as they travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # grpcio takes as long to import as all of the transport
    import grpc

Metadata = Sequence[tuple[str, str | bytes]]
"""Keys in lower case; the value is ``bytes`` if and only if the key ends in ``-bin``."""

OK: Final = 0
CANCELLED: Final = 1
UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14


class StatusCode(IntEnum):
    """gRPC's codes by the names of ``grpc.StatusCode``, as numbers. (gRPC: ``statuscodes.md``)"""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


CODE_OF: Final[dict[int, StatusCode]] = {code.value: code for code in StatusCode}


def status_code(code: StatusCode | grpc.StatusCode) -> StatusCode:
    """Return a code as ours; generated servicers have grpcio's."""
    return code if isinstance(code, StatusCode) else CODE_OF[code.value[0]]


class StatusError(Exception):
    """
    Ends a call with a status; any handler may raise it, on either transport.

    Args:
        code: Never OK; grpcio's own codes will do as well.

    Attributes:
        code: As given, and one of ours.
        details: The message that the client sees.
        trailing_metadata: Sent with the status.

    """

    def __init__(
        self,
        code: StatusCode | grpc.StatusCode,
        details: str = "",
        trailing_metadata: Metadata = (),
    ) -> None:
        code = status_code(code)
        super().__init__(code, details)
        assert code is not StatusCode.OK
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata


#: Returns the status that an exception of a handler stands for, None if it stands for none.
Translate = Callable[[BaseException], StatusError | None]


def untranslated(error: BaseException) -> StatusError | None:
    """Translate nothing."""
    return None


class ProtocolStatus(StatusError):  # noqa: N818
    """A status the transport itself gives, for what the peer did wrong."""

    def __init__(self, number: int, details: str) -> None:
        super().__init__(CODE_OF[number], details)


# All of 0x20..0x7E but the percent sign stand for themselves (gRPC over HTTP/2, "Status-Message").
_ENCODED: Final = [
    b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte
    for byte in range(256)
]


def encode_message(details: str) -> bytes:
    """Return ``details`` as the value of a grpc-message field: UTF-8, percent-encoded."""
    if details.isascii() and details.isprintable() and "%" not in details:
        return details.encode("ascii")
    # A lone surrogate cannot be written as UTF-8; gRPC wants U+FFFD in its place.
    utf8 = details.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
    return b"".join([_ENCODED[byte] for byte in utf8])
