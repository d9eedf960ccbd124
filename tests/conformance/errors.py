"""etcd's errors as a client sees them: the code's name and the text."""

_INVALID = "INVALID_ARGUMENT"

NO_KEY = (_INVALID, "etcdserver: key is not provided")
KEY_NOT_FOUND = (_INVALID, "etcdserver: key not found")
VALUE_PROVIDED = (_INVALID, "etcdserver: value is provided")
LEASE_PROVIDED = (_INVALID, "etcdserver: lease is provided")
INVALID_SORT = (_INVALID, "etcdserver: invalid sort option")
TOO_MANY_OPS = (_INVALID, "etcdserver: too many operations in txn request")
DUPLICATE_KEY = (_INVALID, "etcdserver: duplicate key given in txn request")
TOO_LARGE = (_INVALID, "etcdserver: request is too large")
COMPACTED = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted")
FUTURE = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision")
LEASE_NOT_FOUND = ("NOT_FOUND", "etcdserver: requested lease not found")
NO_SPACE = ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded")
CORRUPT = ("DATA_LOSS", "etcdserver: corrupt cluster")
UNDECODABLE = (
    "INTERNAL",
    "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
)
STREAM_SORT = ("UNIMPLEMENTED", "RangeStream does not support custom sort orders")
STREAM_FILTER = ("UNIMPLEMENTED", "RangeStream does not support revision filters")

BAD_URLS = (_INVALID, "etcdserver: given member URLs are invalid")
PEER_URL_EXISTS = ("FAILED_PRECONDITION", "etcdserver: Peer URLs already exists")
MEMBER_NOT_FOUND = ("NOT_FOUND", "etcdserver: member not found")
LEARNER_NOT_READY = (
    "FAILED_PRECONDITION",
    "etcdserver: can only promote a learner member which is in sync with leader",
)
TOO_MANY_LEARNERS = (
    "FAILED_PRECONDITION",
    "etcdserver: too many learner members in cluster",
)
NOT_A_LEARNER = ("FAILED_PRECONDITION", "etcdserver: can only promote a learner member")
TOO_FEW_MEMBERS = (
    "UNKNOWN",
    "etcdserver: re-configuration failed due to not enough started members",
)
BAD_TRANSFEREE = ("FAILED_PRECONDITION", "etcdserver: bad leader transferee")
BAD_DOWNGRADE_FORMAT = (_INVALID, "etcdserver: wrong downgrade target version format")
BAD_DOWNGRADE_TARGET = (_INVALID, "etcdserver: invalid downgrade target version")
DOWNGRADE_IN_PROGRESS = (
    "FAILED_PRECONDITION",
    "etcdserver: cluster has a downgrade job in progress",
)
