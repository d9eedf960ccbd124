"""
Everything etcd can answer instead of a reply: its gRPC codes and its exact words.

The table is etcd's ``api/v3rpc/rpctypes``; clients compare the text, so it is part of the
protocol. Raise one of these anywhere below a service and the call ends with its status.
"""

from __future__ import annotations

from typing import ClassVar

from grpc import StatusCode

from etcdpy.transport.grpc.status import StatusError


class EtcdError(StatusError):
    """A failure that etcd has a code and a text for."""

    CODE: ClassVar[StatusCode]
    TEXT: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.CODE, self.TEXT)


class EmptyKeyError(EtcdError):
    """A request, an operation or a compare names no key."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: key is not provided"


class KeyNotFoundError(EtcdError):
    """A put keeps the value or lease of a key that is missing; or an operation is empty."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: key not found"


class ValueProvidedError(EtcdError):
    """A put both keeps the value and gives one."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: value is provided"


class LeaseProvidedError(EtcdError):
    """A put both keeps the lease and gives one."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: lease is provided"


class InvalidSortOptionError(EtcdError):
    """A sort order or target that does not exist."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid sort option"


class TooManyOpsError(EtcdError):
    """A transaction has more operations than ``--max-txn-ops``."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: too many operations in txn request"


class DuplicateKeyError(EtcdError):
    """A transaction could write one key twice."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: duplicate key given in txn request"


class RequestTooLargeError(EtcdError):
    """A write is larger than ``--max-request-bytes``."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: request is too large"


class CompactedError(EtcdError):
    """The revision asked for has been compacted away."""

    CODE = StatusCode.OUT_OF_RANGE
    TEXT = "etcdserver: mvcc: required revision has been compacted"


class FutureRevisionError(EtcdError):
    """The revision asked for is not there yet."""

    CODE = StatusCode.OUT_OF_RANGE
    TEXT = "etcdserver: mvcc: required revision is a future revision"


class NoSpaceError(EtcdError):
    """The backend quota is used up, or the NOSPACE alarm is on."""

    CODE = StatusCode.RESOURCE_EXHAUSTED
    TEXT = "etcdserver: mvcc: database space exceeded"


class CorruptError(EtcdError):
    """The CORRUPT alarm is on."""

    CODE = StatusCode.DATA_LOSS
    TEXT = "etcdserver: corrupt cluster"


class LeaseNotFoundError(EtcdError):
    """The lease does not exist."""

    CODE = StatusCode.NOT_FOUND
    TEXT = "etcdserver: requested lease not found"


class LeaseExistsError(EtcdError):
    """There is a lease with the id asked for."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: lease already exists"


class LeaseTTLTooLargeError(EtcdError):
    """A lease is asked for that would outlive everyone."""

    CODE = StatusCode.OUT_OF_RANGE
    TEXT = "etcdserver: too large lease TTL"


class StoppedError(EtcdError):
    """The server is going away, or can no longer write."""

    CODE = StatusCode.UNAVAILABLE
    TEXT = "etcdserver: server stopped"


class CustomSortUnsupportedError(EtcdError):
    """A streamed range asks for an order other than by key."""

    CODE = StatusCode.UNIMPLEMENTED
    TEXT = "RangeStream does not support custom sort orders"


class RevisionFilterUnsupportedError(EtcdError):
    """A streamed range asks to filter by revision."""

    CODE = StatusCode.UNIMPLEMENTED
    TEXT = "RangeStream does not support revision filters"


class InvalidAlarmActionError(EtcdError):
    """An alarm request asks for an action that does not exist."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid alarm action"


class BadMemberUrlsError(EtcdError):
    """A member is to be added whose peer URLs are none."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: given member URLs are invalid"


class PeerUrlExistsError(EtcdError):
    """A member is to be added with a peer URL that a member has."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: Peer URLs already exists"


class MemberNotFoundError(EtcdError):
    """There is no such member."""

    CODE = StatusCode.NOT_FOUND
    TEXT = "etcdserver: member not found"


class NotLearnerError(EtcdError):
    """A member is to be promoted that is a voter already."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: can only promote a learner member"


class TooManyLearnersError(EtcdError):
    """A learner is to be added where none may be."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: too many learner members in cluster"


class TooFewStartedMembersError(EtcdError):
    """A change of members would take the quorum away."""

    CODE = StatusCode.UNKNOWN  # etcd has no code for it in its table
    TEXT = "etcdserver: re-configuration failed due to not enough started members"


class BadLeaderTransfereeError(EtcdError):
    """Leadership is to go to who cannot have it."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: bad leader transferee"


class WrongDowngradeFormatError(EtcdError):
    """The version to go down to is no version."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: wrong downgrade target version format"


class InvalidDowngradeTargetError(EtcdError):
    """The version to go down to is not the one before the cluster's."""

    CODE = StatusCode.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid downgrade target version"


class DowngradeInProgressError(EtcdError):
    """A downgrade is to begin while there is one."""

    CODE = StatusCode.FAILED_PRECONDITION
    TEXT = "etcdserver: cluster has a downgrade job in progress"


class UnknownMethodError(EtcdError):
    """A downgrade request asks for an action that does not exist."""

    CODE = StatusCode.UNKNOWN
    TEXT = "etcdserver: unknown method"
