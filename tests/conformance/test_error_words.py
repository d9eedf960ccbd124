"""Every text that a client gets of an error is one that a real etcd has, letter by letter."""

from __future__ import annotations

import re
import subprocess

import pytest

from etcdpy import errors
from etcdpy.errors import EtcdError
from etcdpy.services.codes import CODES
from tests.conformance.differences import WORDS_SINCE
from tests.support.servers import reference_binary

#: Errors that etcd has no words for, as it does not know what they are about: ours alone.
OURS: set[type[EtcdError]] = {
    errors.InvalidAlarmActionError,
    errors.MemoryBudgetError,
    errors.TooManySnapshotsError,
}

#: What grpc-go puts together of its own words and protobuf's, so that the whole is nowhere.
COMPOSED: set[type[EtcdError]] = {errors.UnreadableRequestError}

TEXTS = {words.text for kind, words in CODES.items() if words.text and kind not in OURS | COMPOSED}


@pytest.fixture(scope="module")
def program() -> bytes:
    """The reference, as the bytes of its program: Go keeps texts as they are."""
    return reference_binary().read_bytes()


@pytest.fixture(scope="module")
def version() -> tuple[int, ...]:
    shown = subprocess.run([reference_binary(), "--version"], capture_output=True, check=True)
    found = re.search(rb"etcd Version: (\d+)\.(\d+)", shown.stdout)
    assert found is not None
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_words_are_etcds(text: str, program: bytes, version: tuple[int, ...]) -> None:
    if version < WORDS_SINCE.get(text, (0,)):
        assert text.encode() not in program
    else:
        assert text.encode() in program


def test_errors_of_ours_are_no_words_of_etcds(program: bytes) -> None:
    for kind in OURS:
        text = CODES[kind].text
        assert text is not None
        assert text.encode() not in program
