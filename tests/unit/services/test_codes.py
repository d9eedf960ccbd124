"""The table of errors is etcd's, code by code and word by word."""

from __future__ import annotations

import pytest

from etcdpy import errors
from etcdpy.errors import CausedError, EmbeddedClientError, EtcdError, WatchRefusedError
from etcdpy.services.codes import CODES, status_of, text_of, words_of
from etcdpy.storage.errors import DiskFullError

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
    "LearnerNotReadyError": (
        "FAILED_PRECONDITION",
        "etcdserver: can only promote a learner member which is in sync with leader",
    ),
    "MemberExistsError": ("FAILED_PRECONDITION", "etcdserver: member ID already exist"),
    "TooFewStartedMembersError": (
        "UNKNOWN",
        "etcdserver: re-configuration failed due to not enough started members",
    ),
    "RootUserNotFoundError": ("FAILED_PRECONDITION", "etcdserver: root user does not exist"),
    "RootRoleNotGrantedError": (
        "FAILED_PRECONDITION",
        "etcdserver: root user does not have root role",
    ),
    "UserExistsError": ("FAILED_PRECONDITION", "etcdserver: user name already exists"),
    "EmptyUserError": ("INVALID_ARGUMENT", "etcdserver: user name is empty"),
    "UserNotFoundError": ("FAILED_PRECONDITION", "etcdserver: user name not found"),
    "RoleExistsError": ("FAILED_PRECONDITION", "etcdserver: role name already exists"),
    "RoleNotFoundError": ("FAILED_PRECONDITION", "etcdserver: role name not found"),
    "EmptyRoleError": ("INVALID_ARGUMENT", "etcdserver: role name is empty"),
    "AuthFailedError": (
        "INVALID_ARGUMENT",
        "etcdserver: authentication failed, invalid user ID or password",
    ),
    "PermissionNotGivenError": ("INVALID_ARGUMENT", "etcdserver: permission not given"),
    "PermissionDeniedError": ("PERMISSION_DENIED", "etcdserver: permission denied"),
    "RoleNotGrantedError": ("FAILED_PRECONDITION", "etcdserver: role is not granted to the user"),
    "PermissionNotGrantedError": (
        "FAILED_PRECONDITION",
        "etcdserver: permission is not granted to the role",
    ),
    "AuthNotEnabledError": ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled"),
    "InvalidAuthTokenError": ("UNAUTHENTICATED", "etcdserver: invalid auth token"),
    "InvalidAuthManagementError": ("INVALID_ARGUMENT", "etcdserver: invalid auth management"),
    "OldAuthRevisionError": ("INVALID_ARGUMENT", "etcdserver: revision of auth store is old"),
    "PasswordGivenError": (
        "UNKNOWN",
        "auth: authentication failed, password was given for no password user",
    ),
    "PasswordTooLongError": ("UNKNOWN", "bcrypt: password length exceeds 72 bytes"),
    "VerifyOnlyError": ("UNKNOWN", "auth: token signing attempted with verify-only key"),
    "UnsuitableKeyError": ("UNKNOWN", "key is invalid"),
    "TooManyRequestsError": ("RESOURCE_EXHAUSTED", "etcdserver: too many requests"),
}

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, EtcdError)
    and value is not EtcdError
    and not issubclass(value, CausedError)
]


def seen(error: BaseException) -> tuple[str, str]:
    """Return what a client sees of an error: its code's name and its text."""
    status = status_of(error)
    assert status is not None
    return status.code.name, status.details


@pytest.mark.parametrize("name", ETCD)
def test_error_has_etcds_code_and_words(name: str) -> None:
    assert seen(getattr(errors, name)()) == ETCD[name]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_line(kind: type[EtcdError]) -> None:
    code, text = seen(kind())
    assert code != "OK"
    assert (code, text) == (CODES[kind].code.name, CODES[kind].text or kind.MESSAGE)
    assert kind.__doc__


def test_no_two_errors_say_the_same() -> None:
    texts = [words.text for words in CODES.values() if words.text is not None]
    assert len(texts) == len(set(texts))


def test_error_of_the_disk_is_that_of_a_server_that_stops() -> None:
    assert seen(DiskFullError("no room")) == ("UNAVAILABLE", "etcdserver: server stopped")


def test_error_of_the_embedded_client_keeps_its_words_and_loses_its_code() -> None:
    error = EmbeddedClientError(errors.LeaseNotFoundError())
    assert seen(error) == ("UNKNOWN", "etcdserver: requested lease not found")


def test_error_of_ours_is_not_dressed_up_as_one_of_etcds() -> None:
    assert status_of(ValueError("a mistake")) is None


def test_reason_why_a_watch_is_refused_is_a_status_as_go_prints_it() -> None:
    for error, words in (
        (errors.PermissionDeniedError(), "PermissionDenied desc = etcdserver: permission denied"),
        (errors.InvalidAuthTokenError(), "Unauthenticated desc = etcdserver: invalid auth token"),
        (errors.EmptyUserError(), "InvalidArgument desc = etcdserver: user name is empty"),
    ):
        assert text_of(WatchRefusedError(error)) == f"rpc error: code = {words}"


def test_words_of_an_error_are_those_of_its_status() -> None:
    assert words_of(errors.PermissionDeniedError()) == (
        "PERMISSION_DENIED",
        "etcdserver: permission denied",
    )
