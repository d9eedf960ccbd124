"""
Every setting of the server, one line each: ``Config``, and the table made of its fields.

A field is a flag: ``max_txn_ops`` is ``--max-txn-ops`` and ``ETCD_MAX_TXN_OPS``. The line gives
the kind of value, the default and what the help says. The parser, the environment, files,
``--help`` and the documentation all read this table and that of ``accepted``, which has the
flags without effect here; adding a line is all it takes to add a flag.

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from etcdpy.config.gates import FeatureGates, Gates
from etcdpy.config.rotation import Rotation, parse_rotation
from etcdpy.config.setting import (
    AUTH,
    CLUSTERING,
    FEATURES,
    LOGGING,
    MEMBER,
    MONITORING,
    SECURITY,
    UNSAFE,
    Setting,
    make_setting,
)
from etcdpy.config.urls import Url, parse_urls
from etcdpy.config.values import (
    Bool,
    Choice,
    Duration,
    Int,
    Int64,
    Origins,
    Text,
    Texts,
    Uint,
    Uint32,
    UrlList,
)

__all__ = ["SETTINGS", "Config"]

#: What gRPC's limit has beyond the largest request. (etcd: ``grpcOverheadBytes``)
GRPC_OVERHEAD_BYTES = 512 * 1024
#: How log files are rotated unless it is said. (etcd: ``DefaultLogRotationConfig``)
DEFAULT_ROTATION = (
    '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}'
)
#: Seconds between progress notifications, unless set, and at the least. (etcd: v3rpc/watch.go,
#: ``progressReportInterval`` and ``minWatchProgressInterval``)
PROGRESS_INTERVAL = 600.0
LEAST_PROGRESS_INTERVAL = 0.1
#: (etcd: ``DefaultWarningUnaryRequestDuration``)
SLOW_REQUEST_SECONDS = 0.3


def _setting(*row: Any, **options: Any) -> Any:
    """Return a dataclass field with a row of the table; takes what ``make_setting`` does."""
    setting = make_setting(*row, **options)
    # All instances share a default, so no kind makes a value that could be changed.
    return field(default=setting.default, metadata={"setting": setting})


#: The machine itself and no other: a server that nobody has configured is not to be met on the
#: network. (etcd: ``DefaultListenClientURLs``, ``DefaultListenPeerURLs``)
_CLIENT_URL, _PEER_URL = "http://localhost:2379", "http://localhost:2380"


# What ``dataclass`` would write for so many fields takes 3 ms to make; what is below takes none.
@dataclass(frozen=True, slots=True, repr=False, init=False, eq=False)
class Config:
    """
    The settings a server runs with: those that are given, by the names of fields, and defaults.

    Durations are seconds. ``data_dir`` is never empty in what ``load`` returns, and
    ``initial_cluster`` there names this member.

    Attributes:
        accepted: Those flags of ``accepted`` that were given, by their names: without effect
            on what is served, but told in the log. ``flags.value_of`` knows their defaults.
        given: The names of the flags that somebody has given, wherever: what nobody has said
            anything about may depend on who looks.

    """

    name: str = _setting(MEMBER, Text(), "default", "Human-readable name for this member.")
    # It follows from the name, which is not known yet: ``with_data_dir`` fills it in.
    data_dir: str = _setting(
        MEMBER, Text(), "", "Path to the data directory.", shown="${name}.etcd"
    )
    config_file: str = _setting(
        MEMBER,
        Text(),
        "",
        "Path to a configuration file in YAML or JSON. Then only the file counts: other flags "
        "and variables are ignored.",
    )
    listen_peer_urls: tuple[Url, ...] = _setting(
        MEMBER,
        UrlList(),
        _PEER_URL,
        "List of URLs to listen on for peer traffic. A single node has no peers, so nothing "
        "is bound.",
        # Parsed and checked all the same, as a command line that etcd refuses is refused here.
        honoured=False,
    )
    listen_client_urls: tuple[Url, ...] = _setting(
        MEMBER,
        UrlList(),
        _CLIENT_URL,
        "List of URLs to listen on for client traffic: http:// or https:// with an IP or "
        "localhost, and unix:// or unixs://. Port 0 takes a free port, which the log names.",
    )
    listen_client_http_urls: tuple[Url, ...] = _setting(
        MEMBER,
        UrlList(),
        "",
        "List of URLs to listen on for HTTP alone; then --listen-client-urls serve gRPC alone.",
    )
    quota_backend_bytes: int = _setting(
        MEMBER,
        Int64(),
        "0",
        "Size in bytes the store may reach before it raises an alarm and refuses writes. 0 "
        "means 2 GiB, a negative number no limit.",
    )
    bootstrap_defrag_threshold_megabytes: int = _setting(
        MEMBER,
        Uint(),
        "0",
        "Defragment at start if it frees at least that much. 0 disables it.",
    )
    max_txn_ops: int = _setting(
        MEMBER, Uint(), "128", "Maximum number of operations permitted in a transaction."
    )
    max_request_bytes: int = _setting(
        MEMBER, Uint(), "1572864", "Maximum client request size in bytes the server will accept."
    )
    memory_budget: int = _setting(
        MEMBER,
        Uint(),
        "134217728",
        "Bytes that all clients together can have the server hold: requests that wait, replies and "
        "events that are not taken, and streams. 0 means no limit but those of each connection. "
        "This is no flag of etcd's.",
    )
    max_concurrent_streams: int = _setting(
        MEMBER,
        Uint32(),
        "4294967295",
        "Maximum concurrent streams that each client can open at a time.",
        # etcd's help has Go's name for it.
        shown="math.MaxUint32",
    )
    grpc_keepalive_min_time: float = _setting(
        MEMBER,
        Duration(),
        "5s",
        "Minimum duration a client should wait between pings; one that pings more often is "
        "disconnected.",
    )
    grpc_keepalive_interval: float = _setting(
        MEMBER,
        Duration(),
        "2h",
        "Idle time after which the server pings a client to see whether it is alive (0 to "
        "disable).",
    )
    grpc_keepalive_timeout: float = _setting(
        MEMBER,
        Duration(),
        "20s",
        "Time to wait for the answer to such a ping before closing the connection (0 to disable).",
    )
    socket_reuse_port: bool = _setting(
        MEMBER,
        Bool(),
        "false",
        "Enable to set SO_REUSEPORT on listeners, so that several servers may share a port.",
    )
    watch_progress_notify_interval: float = _setting(
        MEMBER,
        Duration(),
        "0s",
        "Time between the notifications that watches may ask for while nothing happens. 0 "
        "means 10 minutes; less than 100 ms is raised to that.",
    )
    heartbeat_interval: int = _setting(
        MEMBER,
        Uint(),
        "100",
        "Time (in milliseconds) of a heartbeat interval. A single node sends none; with "
        "--election-timeout it decides the shortest lease.",
    )
    election_timeout: int = _setting(
        MEMBER,
        Uint(),
        "1000",
        "Time (in milliseconds) for an election to timeout. A single node holds none; leases "
        "get it on top at a restart, and one and a half of it is the shortest lease.",
    )
    warning_apply_duration: float = _setting(
        MEMBER,
        Duration(),
        "100ms",
        "Time after which the work of a request on keys is logged as slow, the disk's apart.",
    )
    warning_unary_request_duration: float = _setting(
        MEMBER,
        Duration(),
        "300ms",
        "Time after which a unary request as a whole is logged as slow.",
    )
    compaction_batch_limit: int = _setting(
        MEMBER, Int(), "1000", "Maximum revisions deleted in each compaction batch."
    )
    compaction_sleep_interval: float = _setting(
        MEMBER,
        Duration(),
        "0s",
        "Sleep between compaction batches. They let other requests pass in any case, so 0 "
        "means none.",
    )
    max_learners: int = _setting(
        MEMBER,
        Int(),
        "1",
        "Maximum number of learners in the cluster. They are listed, and do not start here.",
    )
    enable_grpc_gateway: bool = _setting(
        MEMBER, Bool(), "true", "Enable the gateway that serves JSON under /v3/."
    )
    enable_dashboard: bool = _setting(
        MEMBER,
        Bool(),
        "true",
        "Enable the dashboard, a page at /mod/dashboard/ that uses the gateway.",
    )
    transport: str = _setting(
        MEMBER,
        Choice("native", "grpcio"),
        "native",
        "Which HTTP/2 server carries gRPC: 'native', or 'grpcio', the slower reference used "
        "to check it.",
    )
    initial_advertise_peer_urls: tuple[Url, ...] = _setting(
        CLUSTERING,
        UrlList(),
        _PEER_URL,
        "List of this member's peer URLs. They give a new data directory its member and "
        "cluster IDs.",
    )
    initial_cluster: str = _setting(
        CLUSTERING,
        Text(),
        "default=" + _PEER_URL,
        "Initial cluster configuration: this member alone, as name=peer URL. Read only while "
        "the data directory is new.",
    )
    initial_cluster_state: str = _setting(
        CLUSTERING,
        Choice("new", "existing"),
        "new",
        "Initial cluster state. 'existing' would join other members, and is refused while the "
        "data directory is new.",
    )
    initial_cluster_token: str = _setting(
        CLUSTERING,
        Text(),
        "etcd-cluster",
        "Initial cluster token. It is part of what the member and cluster IDs are computed from.",
    )
    advertise_client_urls: tuple[Url, ...] = _setting(
        CLUSTERING,
        UrlList(),
        _CLIENT_URL,
        "List of this member's client URLs, as clients are told them. Required with "
        "--listen-client-urls.",
    )
    auto_compaction_retention: str = _setting(
        CLUSTERING,
        Text(),
        "0",
        "How much history is kept when compacting automatically: hours, or a duration like "
        "30m, in mode 'periodic'; revisions in mode 'revision'. 0 disables it.",
    )
    auto_compaction_mode: str = _setting(
        CLUSTERING,
        Text(),
        "periodic",
        "What --auto-compaction-retention counts: 'periodic' keeps a time, 'revision' a number "
        "of revisions.",
    )
    enable_v2: bool = _setting(
        CLUSTERING,
        Bool(),
        "false",
        "Accept v2 client requests: the API of etcd before v3, under /v2, and its locks and leader "
        "elections under /mod/v2. etcd had this flag up to 3.5.",
    )
    cert_file: str = _setting(
        SECURITY,
        Text(),
        "",
        "Path to the client server TLS cert file. It and the key are read again when they change.",
    )
    key_file: str = _setting(SECURITY, Text(), "", "Path to the client server TLS key file.")
    client_cert_auth: bool = _setting(
        SECURITY,
        Bool(),
        "false",
        "Enable client cert authentication: a certificate is required, and its common name is "
        "who the client is.",
    )
    client_crl_file: str = _setting(
        SECURITY,
        Text(),
        "",
        "Path to the client certificate revocation list file, in DER. It is read again when it "
        "changes; while it cannot be read nobody with a certificate is let in.",
    )
    client_cert_allowed_hostname: tuple[str, ...] = _setting(
        SECURITY,
        Texts(),
        "",
        "Comma-separated list of TLS names, one of which a client certificate has to be for.",
    )
    trusted_ca_file: str = _setting(
        SECURITY,
        Text(),
        "",
        "Path to the client server TLS trusted CA cert file. With it a client certificate is "
        "required; without it those of the system count.",
    )
    auto_tls: bool = _setting(
        SECURITY,
        Bool(),
        "false",
        "Client TLS using generated certificates, which are kept in the data directory. Ignored "
        "if certificates are given.",
    )
    self_signed_cert_validity: int = _setting(
        SECURITY, Uint(), "1", "Years that generated certificates are valid."
    )
    cipher_suites: tuple[str, ...] = _setting(
        SECURITY,
        Texts(),
        "",
        "Comma-separated list of supported TLS cipher suites for TLS 1.2, in Go's names (empty "
        "will be auto-populated).",
    )
    tls_min_version: str = _setting(
        SECURITY, Text(), "TLS1.2", "Minimum TLS version supported: TLS1.2 or TLS1.3."
    )
    tls_max_version: str = _setting(
        SECURITY, Text(), "", "Maximum TLS version supported (empty is the best there is)."
    )
    cors: str = _setting(
        SECURITY,
        Origins(),
        "*",
        "List of origins that browsers' scripts may come from, as scheme://host:port; '*' is any.",
    )
    host_whitelist: str = _setting(
        SECURITY,
        Text(),
        "*",
        "List of host names that HTTP requests without TLS may be for; '*' is any.",
    )
    auth_token: str = _setting(
        AUTH,
        Text(),
        "simple",
        "Type of authentication token, and its options: 'simple', 'jwt,sign-method=METHOD' with "
        "priv-key=FILE, pub-key=FILE and ttl=DURATION, or nothing for no tokens.",
    )
    bcrypt_cost: int = _setting(
        AUTH,
        Uint(),
        "10",
        "Cost of hashing new passwords, from 4 to 31; one more takes twice as long.",
    )
    auth_token_ttl: int = _setting(
        AUTH,
        Uint(),
        "300",
        "Seconds that a token of type 'simple' lives without being used. 0 means 300.",
    )
    listen_metrics_urls: tuple[Url, ...] = _setting(
        MONITORING,
        UrlList(),
        "",
        "List of URLs to listen on for metrics and health alone, which anybody may ask there.",
    )
    logger: str = _setting(
        LOGGING, Text(), "zap", "Kind of logger, of which etcd has one: 'zap' names its format."
    )
    log_outputs: tuple[str, ...] = _setting(
        LOGGING,
        Texts(),
        "default",
        "List of outputs of the log: stdout, stderr (which is 'default'), or paths of files that "
        "are appended to; or 'systemd/journal' alone.",
    )
    log_format: str = _setting(
        LOGGING,
        Text(),
        "json",
        "Format of log lines: json or console. Unless it is given, a terminal gets console.",
    )
    log_level: str = _setting(
        LOGGING,
        Text(),
        "info",
        "Least severe level that is logged: debug, info, warn, error, panic, or fatal.",
    )
    metrics: str = _setting(
        MONITORING,
        Text(),
        "basic",
        "Level of detail of exported metrics, 'basic' or 'extensive'. With 'extensive' the time "
        "of every call is measured.",
    )
    enable_pprof: bool = _setting(
        MONITORING,
        Bool(),
        "false",
        "Enable profiles, and stacks of all that runs, under /debug/pprof/ of client URLs, for "
        "clients on the same machine. The log level debug does so, too.",
    )
    pprof_allow_remote: bool = _setting(
        MONITORING,
        Bool(),
        "false",
        "Answer under /debug/pprof/ to clients on other machines as well. This is no flag of "
        "etcd's.",
    )
    enable_log_rotation: bool = _setting(
        LOGGING, Bool(), "false", "Enable rotation of a single file among the log outputs."
    )
    log_rotation_config_json: str = _setting(
        LOGGING,
        Text(),
        DEFAULT_ROTATION,
        "How that file is rotated: maxsize (in MB), maxage (in days, 0 is no limit), maxbackups "
        "(0 is no limit), localtime (in their names), compress (with gzip).",
    )
    audit_log: str = _setting(
        LOGGING,
        Text(),
        "",
        "Path to a file that gets a line of JSON for each change, and each request that is "
        "refused: who, what, when, and no values. Its directory has to exist. This is no flag of "
        "etcd's.",
    )
    audit_log_sync: bool = _setting(
        LOGGING,
        Bool(),
        "false",
        "Have the line of a change on the disk before the change is acknowledged. This is no flag "
        "of etcd's.",
    )
    audit_log_rotation_config_json: str = _setting(
        LOGGING,
        Text(),
        DEFAULT_ROTATION,
        "How the audit log is rotated, in the words of --log-rotation-config-json. This is no flag "
        "of etcd's.",
    )
    feature_gates: Gates = _setting(  # noqa: RUF009 - it makes a field
        FEATURES,
        FeatureGates(),
        "",
        "A set of key=value pairs that describe feature gates for alpha features. "
        "LeaseCheckpoint and LeaseCheckpointPersist together write down what long leases have "
        "left; the other gates of etcd are accepted and change nothing.",
    )
    unsafe_no_fsync: bool = _setting(
        UNSAFE, Bool(), "false", "Disables fsync, unsafe, will cause data loss."
    )
    accepted: Mapping[str, Any] = field(default_factory=dict, hash=False)
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def __init__(self, **values: Any) -> None:
        for name, value in {**_DEFAULTS, "accepted": {}, **values}.items():
            # As dataclasses do for what nobody may change; names that are no fields are refused.
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared()[:-1])

    def _compared(self) -> tuple[object, ...]:
        """Return the values by which settings are equal, that which has no hash last."""
        return (*(getattr(self, name.replace("-", "_")) for name in SETTINGS), self.accepted)

    @property
    def max_message_bytes(self) -> int:
        """The largest message gRPC takes: the largest request and what may be around it."""
        return self.max_request_bytes + GRPC_OVERHEAD_BYTES

    @property
    def memory_limit(self) -> int:
        """The bytes of ``--memory-budget``."""
        from etcdpy.memory import UNLIMITED

        return self.memory_budget or UNLIMITED

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of ``--cors``."""
        # The one that is no URL; others were parsed when the flag was read.
        return frozenset(("*",) if self.cors == "*" else map(str, parse_urls(self.cors)))

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The hosts of ``--host-whitelist``; nothing is a host as well."""
        return frozenset(self.host_whitelist.split(","))

    @property
    def election_seconds(self) -> float:
        """Seconds of an election timeout, which is whole heartbeats (etcd: ElectionTicks)."""
        # Whole heartbeats: of 1050 ms at 100 ms each etcd keeps ten.
        return self._election_ticks * self.heartbeat_interval / 1000

    @property
    def request_timeout(self) -> float:
        """Seconds that a request may take (etcd: ServerConfig.ReqTimeout)."""
        # 5 s for queues and the disk, and two elections, should one be needed.
        return 5.0 + 2 * self.election_seconds

    @property
    def min_lease_ttl(self) -> int:
        """Seconds of the shortest lease: one and a half election timeouts, rounded up."""
        # In two steps, as etcd does: whole ticks are rounded down (server.go, ``minTTL``), and the
        # seconds of them up (lease/lessor.go, ``MinLeaseTTL``).
        return -(-(3 * self._election_ticks // 2 * self.heartbeat_interval) // 1000)

    @property
    def _election_ticks(self) -> int:
        return self.election_timeout // self.heartbeat_interval

    @property
    def slow_request_seconds(self) -> float:
        """Seconds after which a request is slow; etcd knows no limit of 0 here."""
        return self.warning_unary_request_duration or SLOW_REQUEST_SECONDS

    @property
    def log_rotation(self) -> Rotation | None:
        """How a log file is rotated, None if it is not."""
        return parse_rotation(self.log_rotation_config_json) if self.enable_log_rotation else None

    @property
    def audit_log_rotation(self) -> Rotation:
        """How the audit log is rotated, which it always is."""
        return parse_rotation(self.audit_log_rotation_config_json)

    @property
    def progress_interval(self) -> float:
        """Seconds between the progress notifications of a watch."""
        interval = self.watch_progress_notify_interval
        # Only what is above 0 counts as chosen, and is raised; 0 and below stand for the default.
        return max(interval, LEAST_PROGRESS_INTERVAL) if interval > 0 else PROGRESS_INTERVAL


_DEFAULTS = {
    declared.name: declared.default for declared in fields(Config) if declared.name != "accepted"
}


def _row(declared: Field[Any]) -> tuple[str, Setting]:
    row: Setting = declared.metadata["setting"]
    return declared.name.replace("_", "-"), row


#: Flag name to its row, in the order the help shows them.
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    dict(_row(declared) for declared in fields(Config) if declared.metadata)
)
