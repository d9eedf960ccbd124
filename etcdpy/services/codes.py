"""
The edge: which gRPC code and which words of etcd's each error has on the wire.

This is etcd's ``api/v3rpc/rpctypes/error.go`` and ``v3rpc/util.go``. Clients compare the text, so
it is part of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from etcdpy import errors
from etcdpy.errors import EmbeddedClientError, EtcdError, WatchRefusedError
from etcdpy.transport import StatusCode, StatusError

__all__ = ["CODES", "Words", "embedded", "status_of", "text_of", "words_of"]

P = ParamSpec("P")
T = TypeVar("T")


class Words(NamedTuple):
    """What a client is told of an error; the text is the error's own where it is None."""

    code: StatusCode
    text: str | None


#: Errors whose own words are etcd's: the code of each.
_CODES: Final[dict[type[EtcdError], StatusCode]] = {
    errors.EmptyKeyError: StatusCode.INVALID_ARGUMENT,
    errors.KeyNotFoundError: StatusCode.INVALID_ARGUMENT,
    errors.ValueProvidedError: StatusCode.INVALID_ARGUMENT,
    errors.LeaseProvidedError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidSortOptionError: StatusCode.INVALID_ARGUMENT,
    errors.UnreadableRequestError: StatusCode.INTERNAL,
    errors.TooManyOpsError: StatusCode.INVALID_ARGUMENT,
    errors.DuplicateKeyError: StatusCode.INVALID_ARGUMENT,
    errors.RequestTooLargeError: StatusCode.INVALID_ARGUMENT,
    errors.CorruptError: StatusCode.DATA_LOSS,
    errors.LeaseNotFoundError: StatusCode.NOT_FOUND,
    errors.LeaseExistsError: StatusCode.FAILED_PRECONDITION,
    errors.LeaseTTLTooLargeError: StatusCode.OUT_OF_RANGE,
    errors.StoppedError: StatusCode.UNAVAILABLE,
    errors.CustomSortUnsupportedError: StatusCode.UNIMPLEMENTED,
    errors.RevisionFilterUnsupportedError: StatusCode.UNIMPLEMENTED,
    errors.InvalidAlarmActionError: StatusCode.INVALID_ARGUMENT,
    errors.BadMemberUrlsError: StatusCode.INVALID_ARGUMENT,
    errors.PeerUrlExistsError: StatusCode.FAILED_PRECONDITION,
    errors.MemberNotFoundError: StatusCode.NOT_FOUND,
    errors.NotLearnerError: StatusCode.FAILED_PRECONDITION,
    errors.LearnerNotReadyError: StatusCode.FAILED_PRECONDITION,
    errors.MemberExistsError: StatusCode.FAILED_PRECONDITION,
    errors.TooManyLearnersError: StatusCode.FAILED_PRECONDITION,
    # etcd has no code for it in its table
    errors.TooFewStartedMembersError: StatusCode.UNKNOWN,
    errors.BadLeaderTransfereeError: StatusCode.FAILED_PRECONDITION,
    errors.WrongDowngradeFormatError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidDowngradeTargetError: StatusCode.INVALID_ARGUMENT,
    errors.DowngradeInProgressError: StatusCode.FAILED_PRECONDITION,
    errors.UnknownMethodError: StatusCode.UNKNOWN,
    errors.NoLeaderError: StatusCode.UNKNOWN,
    errors.NotLeaderError: StatusCode.UNKNOWN,
    errors.LeaderMissingError: StatusCode.UNKNOWN,
    errors.SessionExpiredError: StatusCode.UNKNOWN,
    errors.EmptyWatchRangeError: StatusCode.UNKNOWN,
    errors.DuplicateWatchIdError: StatusCode.UNKNOWN,
    errors.RootUserNotFoundError: StatusCode.FAILED_PRECONDITION,
    errors.RootRoleNotGrantedError: StatusCode.FAILED_PRECONDITION,
    errors.UserExistsError: StatusCode.FAILED_PRECONDITION,
    errors.EmptyUserError: StatusCode.INVALID_ARGUMENT,
    errors.UserNotFoundError: StatusCode.FAILED_PRECONDITION,
    errors.RoleExistsError: StatusCode.FAILED_PRECONDITION,
    errors.RoleNotFoundError: StatusCode.FAILED_PRECONDITION,
    errors.EmptyRoleError: StatusCode.INVALID_ARGUMENT,
    errors.AuthFailedError: StatusCode.INVALID_ARGUMENT,
    errors.PermissionNotGivenError: StatusCode.INVALID_ARGUMENT,
    errors.PermissionDeniedError: StatusCode.PERMISSION_DENIED,
    errors.RoleNotGrantedError: StatusCode.FAILED_PRECONDITION,
    errors.PermissionNotGrantedError: StatusCode.FAILED_PRECONDITION,
    errors.AuthNotEnabledError: StatusCode.FAILED_PRECONDITION,
    errors.InvalidAuthTokenError: StatusCode.UNAUTHENTICATED,
    errors.InvalidAuthManagementError: StatusCode.INVALID_ARGUMENT,
    errors.OldAuthRevisionError: StatusCode.INVALID_ARGUMENT,
    # etcd has no code for these in its table either
    errors.PasswordGivenError: StatusCode.UNKNOWN,
    errors.PasswordTooLongError: StatusCode.UNKNOWN,
    errors.VerifyOnlyError: StatusCode.UNKNOWN,
    errors.TooManyRequestsError: StatusCode.RESOURCE_EXHAUSTED,
    errors.MemoryBudgetError: StatusCode.RESOURCE_EXHAUSTED,
}

CODES: Final[dict[type[EtcdError], Words]] = {
    **{kind: Words(code, kind.MESSAGE) for kind, code in _CODES.items()},
    # Words that are others in the log.
    errors.CompactedError: Words(
        StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"
    ),
    errors.FutureRevisionError: Words(
        StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"
    ),
    errors.NoSpaceError: Words(
        StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"
    ),
    errors.TooManySnapshotsError: Words(
        StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many snapshots are being sent"
    ),
    # The words are the reason's own.
    errors.DefragmentError: Words(StatusCode.UNKNOWN, None),
    errors.UnsuitableKeyError: Words(StatusCode.UNKNOWN, None),
}


def status_of(error: BaseException) -> StatusError | None:
    """Return the status that an error ends a call with, None if it is none of etcd's."""
    if isinstance(error, EmbeddedClientError):
        return StatusError(StatusCode.UNKNOWN, text_of(error.cause))
    if isinstance(error, EtcdError):
        return StatusError(_words(error).code, text_of(error))
    return None


def words_of(error: EtcdError) -> tuple[str, str]:
    """Return the name of an error's code and the words that a client gets of it."""
    return _words(error).code.name, text_of(error)


def text_of(error: EtcdError) -> str:
    """Return the words that a client gets of an error, mostly without its code."""
    if isinstance(error, WatchRefusedError):
        # As Go prints a status.
        code = _words(error.cause).code.name.title().replace("_", "")
        return f"rpc error: code = {code} desc = {text_of(error.cause)}"
    text = _words(error).text
    return str(error) if text is None else text


def _words(error: EtcdError) -> Words:
    """Return the line of an error, or of the nearest kind that has one."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def embedded(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """
    Make the errors of a method what they are to the caller of etcd's embedded client.

    What it returns raises ``EmbeddedClientError`` where the method raises ``EtcdError``.
    """

    @wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            running = method(*args, **kwargs)
            # A request among them is the method's to let go of.
            del args, kwargs
            return await running
        except EtcdError as error:
            raise EmbeddedClientError(error) from None

    return run
