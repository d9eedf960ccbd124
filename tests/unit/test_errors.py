"""Errors say in the log what they are, and know nothing of any wire."""

from __future__ import annotations

import inspect

import pytest

from etcdpy import errors
from etcdpy.errors import EmbeddedClientError, EtcdError, LeaseNotFoundError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, EtcdError) and kind not in (EtcdError, EmbeddedClientError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_the_message_unless_there_is_more_to_say(kind: type[EtcdError]) -> None:
    assert str(kind()) == kind.MESSAGE
    assert str(kind("because")) == "because"


def test_no_two_errors_have_the_same_message() -> None:
    assert len({kind.MESSAGE for kind in KINDS}) == len(KINDS)


def test_embedded_client_passes_on_the_words_of_its_call() -> None:
    cause = LeaseNotFoundError()
    error = EmbeddedClientError(cause)
    assert error.cause is cause
    assert str(error) == str(cause)
