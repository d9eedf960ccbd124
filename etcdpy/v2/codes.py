"""
The errors of the v2 API: their numbers, messages, and statuses of HTTP.

(etcd 3.5: ``server/etcdserver/api/v2error/error.go``)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etcdpy.errors import V2Error

__all__ = ["MESSAGES", "message_of", "status_of"]

KEY_NOT_FOUND: Final = 100
TEST_FAILED: Final = 101
NOT_FILE: Final = 102
NOT_DIRECTORY: Final = 104
NODE_EXISTS: Final = 105
ROOT_READ_ONLY: Final = 107
DIRECTORY_NOT_EMPTY: Final = 108
UNAUTHORIZED: Final = 110
PREV_VALUE_REQUIRED: Final = 201
TTL_NOT_A_NUMBER: Final = 202
INDEX_NOT_A_NUMBER: Final = 203
TIMEOUT_NOT_A_NUMBER: Final = 205
NAME_REQUIRED: Final = 206
INDEX_OR_VALUE_REQUIRED: Final = 207
INDEX_AND_VALUE: Final = 208
INVALID_FIELD: Final = 209
INVALID_FORM: Final = 210
REFRESH_VALUE: Final = 211
REFRESH_TTL_REQUIRED: Final = 212
RAFT_INTERNAL: Final = 300
EVENT_INDEX_CLEARED: Final = 401

MESSAGES: Final[Mapping[int, str]] = {
    100: "Key not found",
    101: "Compare failed",
    102: "Not a file",
    103: "Reached the max number of peers in the cluster",
    104: "Not a directory",
    105: "Key already exists",
    106: "The prefix of given key is a keyword in etcd",
    107: "Root is read only",
    108: "Directory not empty",
    109: "Peer address has existed",
    110: "The request requires user authentication",
    200: "Value is Required in POST form",
    201: "PrevValue is Required in POST form",
    202: "The given TTL in POST form is not a number",
    203: "The given index in POST form is not a number",
    204: "Value or TTL is required in POST form",
    205: "The given timeout in POST form is not a number",
    206: "Name is required in POST form",
    207: "Index or value is required",
    208: "Index and value cannot both be specified",
    209: "Invalid field",
    210: "Invalid POST form",
    211: "Value provided on refresh",
    212: "A TTL must be provided on refresh",
    300: "Raft Internal Error",
    301: "During Leader Election",
    400: "watcher is cleared due to etcd recovery",
    401: "The event in requested index is outdated and cleared",
    402: "Standby Internal Error",
    403: "Invalid active size",
    404: "Standby remove delay",
    500: "Client Internal Error",
}

#: What is not 400.
_STATUSES: Final[Mapping[int, int]] = {
    KEY_NOT_FOUND: 404,
    NOT_FILE: 403,
    DIRECTORY_NOT_EMPTY: 403,
    UNAUTHORIZED: 401,
    TEST_FAILED: 412,
    NODE_EXISTS: 412,
    RAFT_INTERNAL: 500,
    301: 500,
}


def message_of(error: V2Error) -> str:
    """Return the message that belongs to the code of an error."""
    return MESSAGES[error.code]


def status_of(error: V2Error) -> int:
    """Return the status of HTTP that an error is answered with."""
    return _STATUSES.get(error.code, 400)
