"""
The edge: which gRPC code and which words of etcd's each error has on the wire.

This is etcd's ``api/v3rpc/rpctypes/error.go`` and ``v3rpc/util.go``. Clients compare the text, so
it is part of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from grpc import StatusCode

from etcdpy import errors
from etcdpy.errors import EmbeddedClientError, EtcdError
from etcdpy.transport import StatusError

__all__ = ["CODES", "Words", "embedded", "status_of", "text_of"]

P = ParamSpec("P")
T = TypeVar("T")


class Words(NamedTuple):
    """What a client is told of an error; the text is the error's own where it is None."""

    code: StatusCode
    text: str | None


CODES: Final[dict[type[EtcdError], Words]] = {
    errors.EmptyKeyError: Words(StatusCode.INVALID_ARGUMENT, "etcdserver: key is not provided"),
    errors.KeyNotFoundError: Words(StatusCode.INVALID_ARGUMENT, "etcdserver: key not found"),
    errors.ValueProvidedError: Words(StatusCode.INVALID_ARGUMENT, "etcdserver: value is provided"),
    errors.LeaseProvidedError: Words(StatusCode.INVALID_ARGUMENT, "etcdserver: lease is provided"),
    errors.InvalidSortOptionError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: invalid sort option"
    ),
    errors.TooManyOpsError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: too many operations in txn request"
    ),
    errors.DuplicateKeyError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"
    ),
    errors.RequestTooLargeError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large"
    ),
    errors.CompactedError: Words(
        StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"
    ),
    errors.FutureRevisionError: Words(
        StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"
    ),
    errors.NoSpaceError: Words(
        StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"
    ),
    errors.CorruptError: Words(StatusCode.DATA_LOSS, "etcdserver: corrupt cluster"),
    errors.LeaseNotFoundError: Words(StatusCode.NOT_FOUND, "etcdserver: requested lease not found"),
    errors.LeaseExistsError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: lease already exists"
    ),
    errors.LeaseTTLTooLargeError: Words(StatusCode.OUT_OF_RANGE, "etcdserver: too large lease TTL"),
    errors.StoppedError: Words(StatusCode.UNAVAILABLE, "etcdserver: server stopped"),
    errors.CustomSortUnsupportedError: Words(
        StatusCode.UNIMPLEMENTED, "RangeStream does not support custom sort orders"
    ),
    errors.RevisionFilterUnsupportedError: Words(
        StatusCode.UNIMPLEMENTED, "RangeStream does not support revision filters"
    ),
    errors.InvalidAlarmActionError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: invalid alarm action"
    ),
    errors.BadMemberUrlsError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"
    ),
    errors.PeerUrlExistsError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"
    ),
    errors.MemberNotFoundError: Words(StatusCode.NOT_FOUND, "etcdserver: member not found"),
    errors.NotLearnerError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: can only promote a learner member"
    ),
    errors.LearnerNotReadyError: Words(
        StatusCode.FAILED_PRECONDITION,
        "etcdserver: can only promote a learner member which is in sync with leader",
    ),
    errors.MemberExistsError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: member ID already exist"
    ),
    errors.TooManyLearnersError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: too many learner members in cluster"
    ),
    # etcd has no code for it in its table
    errors.TooFewStartedMembersError: Words(
        StatusCode.UNKNOWN, "etcdserver: re-configuration failed due to not enough started members"
    ),
    errors.BadLeaderTransfereeError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: bad leader transferee"
    ),
    errors.WrongDowngradeFormatError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: wrong downgrade target version format"
    ),
    errors.InvalidDowngradeTargetError: Words(
        StatusCode.INVALID_ARGUMENT, "etcdserver: invalid downgrade target version"
    ),
    errors.DowngradeInProgressError: Words(
        StatusCode.FAILED_PRECONDITION, "etcdserver: cluster has a downgrade job in progress"
    ),
    errors.UnknownMethodError: Words(StatusCode.UNKNOWN, "etcdserver: unknown method"),
    errors.NoLeaderError: Words(StatusCode.UNKNOWN, "election: no leader"),
    errors.NotLeaderError: Words(StatusCode.UNKNOWN, "election: not leader"),
    errors.LeaderMissingError: Words(StatusCode.UNKNOWN, '"leader" field must be provided'),
    errors.SessionExpiredError: Words(StatusCode.UNKNOWN, "mutex: session is expired"),
    errors.EmptyWatchRangeError: Words(StatusCode.UNKNOWN, "mvcc: watcher range is empty"),
    errors.DuplicateWatchIdError: Words(
        StatusCode.UNKNOWN, "mvcc: duplicate watch ID provided on the WatchStream"
    ),
    errors.TooManySnapshotsError: Words(
        StatusCode.RESOURCE_EXHAUSTED, "etcdserver: too many snapshots are being sent"
    ),
    # The words are the reason's own.
    errors.DefragmentError: Words(StatusCode.UNKNOWN, None),
}


def status_of(error: BaseException) -> StatusError | None:
    """Return the status that an error ends a call with, None if it is none of etcd's."""
    if isinstance(error, EmbeddedClientError):
        return StatusError(StatusCode.UNKNOWN, text_of(error.cause))
    if isinstance(error, EtcdError):
        return StatusError(_words(error).code, text_of(error))
    return None


def text_of(error: EtcdError) -> str:
    """Return the words that a client gets of an error, without its code."""
    text = _words(error).text
    return str(error) if text is None else text


def _words(error: EtcdError) -> Words:
    """Return the line of an error, or of the nearest kind that has one."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def embedded(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make the errors of a method what they are to the caller of etcd's embedded client."""

    @wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except EtcdError as error:
            raise EmbeddedClientError(error) from None

    return run
