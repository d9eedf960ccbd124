"""Errors say in the log what they are, and know nothing of any wire."""

from __future__ import annotations

import inspect

import pytest

from etcdpy import errors
from etcdpy.errors import (
    CausedError,
    EmbeddedClientError,
    EtcdError,
    LeaseNotFoundError,
    WatchRefusedError,
)

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind is not EtcdError and issubclass(kind, EtcdError) and not issubclass(kind, CausedError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_the_message_unless_there_is_more_to_say(kind: type[EtcdError]) -> None:
    assert str(kind()) == kind.MESSAGE
    assert str(kind("because")) == "because"


def test_no_two_errors_have_the_same_message() -> None:
    assert len({kind.MESSAGE for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", [EmbeddedClientError, WatchRefusedError])
def test_caused_error_passes_on_the_words_of_its_cause(kind: type[CausedError]) -> None:
    cause = LeaseNotFoundError()
    error = kind(cause)
    assert error.cause is cause
    assert str(error) == str(cause)
