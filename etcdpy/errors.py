"""
What a request can be refused with: plain errors, which know nothing of any wire.

They are raised wherever the reason is found. What a client is told of each, etcd's code and, where
its words are others than these, its exact words, is in the one table at the edge:
``services.codes``.
"""

from __future__ import annotations

from typing import ClassVar


class EtcdError(Exception):
    """A refusal that etcd has words for."""

    #: What the log says of it; mostly the very words that clients are told.
    MESSAGE: ClassVar[str]

    def __init__(self, *arguments: object) -> None:
        # So a log line has words even where nobody gave any.
        super().__init__(*(arguments or (self.MESSAGE,)))


class EmptyKeyError(EtcdError):
    """A request, an operation or a compare names no key."""

    MESSAGE = "etcdserver: key is not provided"


class KeyNotFoundError(EtcdError):
    """A put keeps the value or lease of a key that is missing; or an operation is empty."""

    MESSAGE = "etcdserver: key not found"


class ValueProvidedError(EtcdError):
    """A put both keeps the value and gives one."""

    MESSAGE = "etcdserver: value is provided"


class LeaseProvidedError(EtcdError):
    """A put both keeps the lease and gives one."""

    MESSAGE = "etcdserver: lease is provided"


class InvalidSortOptionError(EtcdError):
    """A sort order or target that does not exist."""

    MESSAGE = "etcdserver: invalid sort option"


class TooManyOpsError(EtcdError):
    """A transaction has more operations than ``--max-txn-ops``."""

    MESSAGE = "etcdserver: too many operations in txn request"


class UnreadableRequestError(EtcdError):
    """A request is not the message it should be. (The words are grpc-go's.)"""

    MESSAGE = "grpc: error unmarshalling request: proto:\u00a0cannot parse invalid wire-format data"


class DuplicateKeyError(EtcdError):
    """A transaction could write one key twice."""

    MESSAGE = "etcdserver: duplicate key given in txn request"


class RequestTooLargeError(EtcdError):
    """A write is larger than ``--max-request-bytes``."""

    MESSAGE = "etcdserver: request is too large"


class CompactedError(EtcdError):
    """The revision asked for has been compacted away."""

    # The store's words, as in etcd (mvcc/kvstore.go, ErrCompacted); the edge adds to them.
    MESSAGE = "mvcc: required revision has been compacted"


class FutureRevisionError(EtcdError):
    """The revision asked for is not there yet."""

    MESSAGE = "mvcc: required revision is a future revision"


class NoSpaceError(EtcdError):
    """The backend quota is used up, or the NOSPACE alarm is on."""

    MESSAGE = "mvcc: database space exceeded"


class CorruptError(EtcdError):
    """The CORRUPT alarm is on."""

    MESSAGE = "etcdserver: corrupt cluster"


class LeaseNotFoundError(EtcdError):
    """The lease does not exist."""

    MESSAGE = "etcdserver: requested lease not found"


class LeaseExistsError(EtcdError):
    """There is a lease with the id asked for."""

    MESSAGE = "etcdserver: lease already exists"


class LeaseTTLTooLargeError(EtcdError):
    """A lease is asked for with more than ``lease.lessor.MAX_TTL`` seconds to live."""

    MESSAGE = "etcdserver: too large lease TTL"


class StoppedError(EtcdError):
    """The server is going away, or can no longer write."""

    MESSAGE = "etcdserver: server stopped"


class CustomSortUnsupportedError(EtcdError):
    """A streamed range asks for an order other than by key."""

    MESSAGE = "RangeStream does not support custom sort orders"


class RevisionFilterUnsupportedError(EtcdError):
    """A streamed range asks to filter by revision."""

    MESSAGE = "RangeStream does not support revision filters"


class InvalidAlarmActionError(EtcdError):
    """An alarm request asks for an action that does not exist."""

    MESSAGE = "etcdserver: invalid alarm action"


class BadMemberUrlsError(EtcdError):
    """A member is to be added with no peer URLs, or with texts that are no URLs."""

    MESSAGE = "etcdserver: given member URLs are invalid"


class PeerUrlExistsError(EtcdError):
    """A member is to be added with a peer URL that a member has."""

    MESSAGE = "etcdserver: Peer URLs already exists"


class MemberNotFoundError(EtcdError):
    """There is no such member."""

    MESSAGE = "etcdserver: member not found"


class NotLearnerError(EtcdError):
    """A member is to be promoted that is a voter already."""

    MESSAGE = "etcdserver: can only promote a learner member"


class LearnerNotReadyError(EtcdError):
    """A learner is to be promoted that does not have the data yet."""

    MESSAGE = "etcdserver: can only promote a learner member which is in sync with leader"


class MemberExistsError(EtcdError):
    """A member is to be added whose ID another one has."""

    MESSAGE = "etcdserver: member ID already exist"


class TooManyLearnersError(EtcdError):
    """A learner is to be added, and there may be no more of them."""

    MESSAGE = "etcdserver: too many learner members in cluster"


class TooFewStartedMembersError(EtcdError):
    """A change of members would take the quorum away."""

    MESSAGE = "etcdserver: re-configuration failed due to not enough started members"


class BadLeaderTransfereeError(EtcdError):
    """Leadership is to go to a member that cannot have it."""

    MESSAGE = "etcdserver: bad leader transferee"


class WrongDowngradeFormatError(EtcdError):
    """The version to go down to is no version."""

    MESSAGE = "etcdserver: wrong downgrade target version format"


class InvalidDowngradeTargetError(EtcdError):
    """The version to go down to is not the one before the cluster's."""

    MESSAGE = "etcdserver: invalid downgrade target version"


class DowngradeInProgressError(EtcdError):
    """A downgrade is to begin while there is one."""

    MESSAGE = "etcdserver: cluster has a downgrade job in progress"


class UnknownMethodError(EtcdError):
    """A downgrade request asks for an action that does not exist."""

    MESSAGE = "etcdserver: unknown method"


class NoLeaderError(EtcdError):
    """Nobody leads the election."""

    # Of the client library, which does elections in etcd (client/v3/concurrency/election.go).
    MESSAGE = "election: no leader"


class NotLeaderError(EtcdError):
    """Whoever proclaims does not lead any more."""

    MESSAGE = "election: not leader"


class LeaderMissingError(EtcdError):
    """A request about a leader names none."""

    MESSAGE = '"leader" field must be provided'


class SessionExpiredError(EtcdError):
    """The key of a waiting lock is gone, and with it its place."""

    # Of the client library as well (client/v3/concurrency/mutex.go).
    MESSAGE = "mutex: session is expired"


class EmptyWatchRangeError(EtcdError):
    """The keys to watch end before they start."""

    # A client gets this and the next as a reason in a reply, not as a status (mvcc/watcher.go).
    MESSAGE = "mvcc: watcher range is empty"


class DuplicateWatchIdError(EtcdError):
    """A stream has a watch of that id already."""

    MESSAGE = "mvcc: duplicate watch ID provided on the WatchStream"


class RootUserNotFoundError(EtcdError):
    """Authentication is to be switched on, and there is no user ``root``."""

    MESSAGE = "etcdserver: root user does not exist"


class RootRoleNotGrantedError(EtcdError):
    """Authentication is to be switched on, and the user ``root`` has no role ``root``."""

    MESSAGE = "etcdserver: root user does not have root role"


class UserExistsError(EtcdError):
    """A user is to be added whose name another one has."""

    MESSAGE = "etcdserver: user name already exists"


class EmptyUserError(EtcdError):
    """A user is named nothing; so is a caller that has no name while one is needed."""

    MESSAGE = "etcdserver: user name is empty"


class UserNotFoundError(EtcdError):
    """There is no such user."""

    MESSAGE = "etcdserver: user name not found"


class RoleExistsError(EtcdError):
    """A role is to be added whose name another one has."""

    MESSAGE = "etcdserver: role name already exists"


class RoleNotFoundError(EtcdError):
    """There is no such role."""

    MESSAGE = "etcdserver: role name not found"


class EmptyRoleError(EtcdError):
    """A role is named nothing."""

    MESSAGE = "etcdserver: role name is empty"


class AuthFailedError(EtcdError):
    """A user is unknown, or the password is not its own: which of them is not told."""

    MESSAGE = "etcdserver: authentication failed, invalid user ID or password"


class PermissionNotGivenError(EtcdError):
    """A role is to be granted a permission, and there is none in the request."""

    MESSAGE = "etcdserver: permission not given"


class PermissionDeniedError(EtcdError):
    """The caller may not do that."""

    MESSAGE = "etcdserver: permission denied"


class RoleNotGrantedError(EtcdError):
    """A role is to be taken from a user that does not have it."""

    MESSAGE = "etcdserver: role is not granted to the user"


class PermissionNotGrantedError(EtcdError):
    """A permission is to be taken from a role that does not have it."""

    MESSAGE = "etcdserver: permission is not granted to the role"


class AuthNotEnabledError(EtcdError):
    """A token is asked for while authentication is off."""

    MESSAGE = "etcdserver: authentication is not enabled"


class InvalidAuthTokenError(EtcdError):
    """A token is none of ours, or not any more."""

    MESSAGE = "etcdserver: invalid auth token"


class InvalidAuthManagementError(EtcdError):
    """A change would leave nobody in charge, or a permission is for no keys."""

    MESSAGE = "etcdserver: invalid auth management"


class OldAuthRevisionError(EtcdError):
    """A token is of before the last change of users and roles."""

    MESSAGE = "etcdserver: revision of auth store is old"


class PasswordGivenError(EtcdError):
    """A user who has no password tries to log in with one."""

    MESSAGE = "auth: authentication failed, password was given for no password user"


class PasswordTooLongError(EtcdError):
    """A password is longer than bcrypt looks at."""

    # Of Go's golang.org/x/crypto/bcrypt.
    MESSAGE = "bcrypt: password length exceeds 72 bytes"


class VerifyOnlyError(EtcdError):
    """A token is to be signed, and there is only the key that checks signatures."""

    MESSAGE = "auth: token signing attempted with verify-only key"


class UnsuitableKeyError(EtcdError):
    """A token is to be signed, and the key is too short, or of another curve than the method."""

    # Of golang-jwt. Others of Go's reasons come with their own words.
    MESSAGE = "key is invalid"


class TooManyRequestsError(EtcdError):
    """More requests wait for their turn than can be kept waiting."""

    MESSAGE = "etcdserver: too many requests"


class MemoryBudgetError(EtcdError):
    """``--memory-budget`` is used up; etcd has no such budget, and no text for it."""

    MESSAGE = "etcdserver: memory budget exceeded"


class TooManySnapshotsError(EtcdError):
    """More than a dozen snapshots are being sent; etcd has no limit, and no text for it."""

    MESSAGE = "too many snapshots are being sent"


class DefragmentError(EtcdError):
    """The database stays where it is; the text says why."""

    MESSAGE = "cannot defragment"


class CausedError(EtcdError):
    """
    A refusal that is told in other words than usual, for where it is told.

    Args:
        cause: Why.

    """

    def __init__(self, cause: EtcdError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class EmbeddedClientError(CausedError):
    """
    A call of the server's own client failed: its words arrive, its code does not.

    etcd serves locks and elections through a client of itself, which loses codes on the way.
    (etcd: ``v3lock/lock.go``, ``v3election/election.go``)
    """

    MESSAGE = "a call of the embedded client failed"


class WatchRefusedError(CausedError):
    """
    A watcher is not permitted: its stream goes on, and is told code and words as one text.

    (etcd: ``v3rpc/watch.go``, isWatchPermitted)
    """

    MESSAGE = "a watcher is not permitted"


class V2Error(Exception):
    """
    A refusal of the v2 API, whose messages and statuses are in ``v2.codes``.

    Args:
        code: etcd's number for it.
        cause: What of the request, or of the tree, is the reason; ``""`` for nothing in particular.
        index: The store's index when that was found, 0 if it was not asked.

    """

    def __init__(self, code: int, cause: str = "", index: int = 0) -> None:
        super().__init__(f"{code} ({cause}) [{index}]")
        self.code = code
        self.cause = cause
        self.index = index
