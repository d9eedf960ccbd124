"""Codes of the v2 API have etcd's messages, and statuses of HTTP."""

from __future__ import annotations

import pytest

from etcdpy.errors import V2Error
from etcdpy.v2 import codes


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (100, 404, "Key not found"),
        (101, 412, "Compare failed"),
        (102, 403, "Not a file"),
        (104, 400, "Not a directory"),
        (105, 412, "Key already exists"),
        (107, 400, "Root is read only"),
        (108, 403, "Directory not empty"),
        (110, 401, "The request requires user authentication"),
        (209, 400, "Invalid field"),
        (300, 500, "Raft Internal Error"),
        (301, 500, "During Leader Election"),
        (401, 400, "The event in requested index is outdated and cleared"),
    ],
)
def test_code_has_a_message_and_a_status(code: int, status: int, message: str) -> None:
    error = V2Error(code, "/a", 7)
    assert codes.message_of(error) == message
    assert codes.status_of(error) == status


def test_every_name_stands_for_a_code_with_a_message() -> None:
    named = [value for name, value in vars(codes).items() if name.isupper()]
    assert {value for value in named if isinstance(value, int)} <= codes.MESSAGES.keys()
