"""The table of errors is etcd's, code by code and word by word."""

from __future__ import annotations

import pytest

from etcdpy import errors
from etcdpy.errors import EtcdError

#: As etcd 3.7.1 answers them. (etcd: api/v3rpc/rpctypes/error.go)
ETCD = {
    "EmptyKeyError": ("INVALID_ARGUMENT", "etcdserver: key is not provided"),
    "KeyNotFoundError": ("INVALID_ARGUMENT", "etcdserver: key not found"),
    "ValueProvidedError": ("INVALID_ARGUMENT", "etcdserver: value is provided"),
    "LeaseProvidedError": ("INVALID_ARGUMENT", "etcdserver: lease is provided"),
    "InvalidSortOptionError": ("INVALID_ARGUMENT", "etcdserver: invalid sort option"),
    "TooManyOpsError": ("INVALID_ARGUMENT", "etcdserver: too many operations in txn request"),
    "DuplicateKeyError": ("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"),
    "RequestTooLargeError": ("INVALID_ARGUMENT", "etcdserver: request is too large"),
    "CompactedError": ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted"),
    "FutureRevisionError": (
        "OUT_OF_RANGE",
        "etcdserver: mvcc: required revision is a future revision",
    ),
    "NoSpaceError": ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded"),
    "CorruptError": ("DATA_LOSS", "etcdserver: corrupt cluster"),
    "LeaseNotFoundError": ("NOT_FOUND", "etcdserver: requested lease not found"),
    "StoppedError": ("UNAVAILABLE", "etcdserver: server stopped"),
    "CustomSortUnsupportedError": (
        "UNIMPLEMENTED",
        "RangeStream does not support custom sort orders",
    ),
    "RevisionFilterUnsupportedError": (
        "UNIMPLEMENTED",
        "RangeStream does not support revision filters",
    ),
    "BadMemberUrlsError": ("INVALID_ARGUMENT", "etcdserver: given member URLs are invalid"),
    "PeerUrlExistsError": ("FAILED_PRECONDITION", "etcdserver: Peer URLs already exists"),
    "MemberNotFoundError": ("NOT_FOUND", "etcdserver: member not found"),
    "NotLearnerError": ("FAILED_PRECONDITION", "etcdserver: can only promote a learner member"),
    "TooFewStartedMembersError": (
        "UNKNOWN",
        "etcdserver: re-configuration failed due to not enough started members",
    ),
}

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, EtcdError) and value is not EtcdError
]


@pytest.mark.parametrize("name", ETCD)
def test_error_has_etcds_code_and_words(name: str) -> None:
    error = getattr(errors, name)()
    assert (error.code.name, error.details) == ETCD[name]


@pytest.mark.parametrize("kind", ALL)
def test_error_ends_a_call_with_its_status(kind: type[EtcdError]) -> None:
    error = kind()
    assert error.code.name != "OK"
    assert (error.code, error.details) == (kind.CODE, kind.TEXT)
    assert kind.__doc__


def test_no_two_errors_say_the_same() -> None:
    texts = [kind.TEXT for kind in ALL]
    assert sorted(texts) == sorted(set(texts))
