"""A configuration file: the types of its values, its sections, its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from etcdpy.config import (
    Config,
    InvalidConfigError,
    UnknownLogLevelError,
    UnusableFileError,
    UsageError,
    load,
)

Notes = list[tuple[str, str, dict[str, object]]]

#: What the file of a usual one-node etcd has.
USUAL = """
# Human-readable name.
name: 'default'
data-dir: /var/lib/etcd
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
  allowed-cn:
  allowed-hostname:
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1"
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
"""


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "etcd.yml")


class File:
    """A configuration file, and what comes of reading it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str, *arguments: str, **environment: str) -> Config:
        return self.load_with_notes(text, *arguments, **environment)[0]

    def load_with_notes(
        self, text: str, *arguments: str, **environment: str
    ) -> tuple[Config, Notes]:
        self.path.write_text(text)
        notes: Notes = []

        def note(level: str, message: str, fields: Mapping[str, object]) -> None:
            notes.append((level, message, dict(fields)))

        return load((*arguments, f"--config-file={self.path}"), environment, note), notes

    def refusal(self, text: str) -> str:
        with pytest.raises(InvalidConfigError) as error:
            self.load(text)
        return str(error.value)


def test_file_of_a_usual_etcd(file: File) -> None:
    config = file.load(USUAL)
    assert config.data_dir == "/var/lib/etcd"
    assert [str(url) for url in config.listen_client_urls] == ["http://localhost:2379"]
    assert config.auto_compaction_retention == "1"
    assert config.log_outputs == ("stderr",)
    assert config.log_level == "debug"
    assert config.initial_cluster == "default=http://localhost:2380"


def test_json_is_yaml(file: File) -> None:
    config = file.load('{"name": "one", "max-txn-ops": 7, "unsafe-no-fsync": true}')
    assert (config.name, config.max_txn_ops, config.unsafe_no_fsync) == ("one", 7, True)


def test_only_the_file_counts(file: File) -> None:
    config, notes = file.load_with_notes("name: one", "--max-txn-ops=7", ETCD_NAME="two", ETCD_X="")
    assert (config.name, config.max_txn_ops) == ("one", 128)
    message = (
        "loaded server configuration, other configuration command line flags and environment "
        "variables will be ignored if provided"
    )
    assert notes[-1] == ("info", message, {"path": str(file.path)})
    assert "unrecognized environment variable" not in [text for _, text, _ in notes]


def test_flags_beside_a_file_still_have_to_parse(file: File) -> None:
    with pytest.raises(UsageError, match=r"^flag provided but not defined: -bogus$"):
        file.load("name: one", "--bogus")


def test_variable_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "etcd.yml"
    path.write_text("name: one")
    config = load((), {"ETCD_CONFIG_FILE": str(path)}, lambda *_: None)
    assert config.name == "one"
    assert config.config_file == str(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "name:\ncors: ''\nlisten-peer-urls: ''"])
def test_what_is_empty_keeps_the_defaults(file: File, text: str) -> None:
    assert file.load(text) == Config(config_file=str(file.path))


def test_addresses_may_be_given_without_those_to_advertise(file: File) -> None:
    config = file.load("listen-client-urls: http://127.0.0.1:7,http://127.0.0.1:8")
    assert len(config.listen_client_urls) == 2
    assert [str(url) for url in config.advertise_client_urls] == ["http://localhost:2379"]


def test_initial_cluster_follows_the_name(file: File) -> None:
    assert file.load("name: n1").initial_cluster == "n1=http://localhost:2380"


def test_durations_are_nanoseconds(file: File) -> None:
    config = file.load("grpc-keepalive-interval: 90000000000\nheartbeat-interval: 50")
    assert (config.grpc_keepalive_interval, config.heartbeat_interval) == (90, 50)


@pytest.mark.parametrize("word", ["true", "yes", "on"])
def test_yaml_has_many_words_for_true(file: File, word: str) -> None:
    assert file.load(f"unsafe-no-fsync: {word}").unsafe_no_fsync is True


@pytest.mark.parametrize("text", ["2020-01-01", "12:30", "1.2.3", "1e", "0x"])
def test_what_only_looks_like_a_number_is_a_text(file: File, text: str) -> None:
    assert file.load(f"name: {text}").name == text


@pytest.mark.parametrize("text", ["1000", "1e3", "1_000", "0x3e8", "1000.0", "01750", "+1000"])
def test_integers_as_yaml_has_them(file: File, text: str) -> None:
    assert file.load(f"quota-backend-bytes: {text}").quota_backend_bytes == 1000


def test_socket_options_have_a_section(file: File) -> None:
    assert file.load("socket-options: {reuse-port: true}").socket_reuse_port is True


def test_keys_in_capitals_are_found(file: File) -> None:
    assert file.load("MAX-TXN-OPS: 7").max_txn_ops == 7


def test_unknown_keys_are_passed_over(file: File) -> None:
    text = "experimental-x: 1\nproxy: on\ncert-file: x\nconfig-file: y\ndiscovery-token: z\n5: 6"
    assert file.load(text) == Config(config_file=str(file.path))


def test_certificates_for_http_are_remarked_on(file: File) -> None:
    text = "client-transport-security: {cert-file: a, key-file: b, client-cert-auth: true}"
    _, notes = file.load_with_notes(text)
    fields = {"client-url": "http://localhost:2379"}
    files = (
        "scheme is http or unix while key and cert files are present; ignoring key and cert files"
    )
    auth = (
        "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth "
        "for this URL"
    )
    assert ("warn", files, fields) in notes
    assert ("warn", auth, fields) in notes


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("snapshot-count: 7", "snapshot-count"),
        ("peer-transport-security: {auto-tls: true}", "peer-auto-tls"),
        ("socket-options: {reuse-address: true}", "socket-reuse-address"),
    ],
)
def test_keys_without_effect_are_remarked_on(file: File, text: str, flag: str) -> None:
    remark = "flag is accepted for compatibility and has no effect"
    assert ("info", remark, {"flag": flag}) in file.load_with_notes(text)[1]


@pytest.mark.parametrize(
    ("text", "found", "field", "go_type"),
    [
        ("snapshot-count: abc", "string", "configYAML.Config.snapshot-count", "uint64"),
        ("SNAPSHOT-COUNT: abc", "string", "configYAML.Config.snapshot-count", "uint64"),
        ("max-txn-ops: 1.5", "number 1.5", "configYAML.Config.max-txn-ops", "uint"),
        ("max-txn-ops: -1", "number -1", "configYAML.Config.max-txn-ops", "uint"),
        (
            "max-concurrent-streams: 4294967296",
            "number 4294967296",
            "configYAML.Config.max-concurrent-streams",
            "uint32",
        ),
        ("quota-backend-bytes: x", "string", "configYAML.Config.quota-backend-bytes", "int64"),
        ("max-learners: x", "string", "configYAML.Config.max-learners", "int"),
        ("name: 5", "number", "configYAML.Config.name", "string"),
        (
            "auto-compaction-retention: 5",
            "number",
            "configYAML.Config.auto-compaction-retention",
            "string",
        ),
        (
            "grpc-keepalive-interval: 10s",
            "string",
            "configYAML.Config.grpc-keepalive-interval",
            "time.Duration",
        ),
        ('pre-vote: "true"', "string", "configYAML.Config.pre-vote", "bool"),
        ("pre-vote: 1", "number", "configYAML.Config.pre-vote", "bool"),
        ("log-outputs: stderr", "string", "configYAML.Config.log-outputs", "[]string"),
        ("log-outputs: [1]", "number", "configYAML.Config.log-outputs", "string"),
        ("cipher-suites: x", "string", "configYAML.Config.cipher-suites", "[]string"),
        ("listen-peer-urls: [a]", "array", "configYAML.configJSON.listen-peer-urls", "string"),
        ("host-whitelist: [a]", "array", "configYAML.configJSON.host-whitelist", "string"),
        ("feature-gates: {a: b}", "object", "configYAML.configJSON.feature-gates", "string"),
        (
            "socket-options: {reuse-port: 1}",
            "number",
            "SocketOpts.Config.socket-options.reuse-port",
            "bool",
        ),
        (
            "socket-options: x",
            "string",
            "configYAML.Config.socket-options",
            "transport.SocketOpts",
        ),
        (
            "client-transport-security: x",
            "string",
            "configYAML.configJSON.client-transport-security",
            "embed.securityConfig",
        ),
        (
            "client-transport-security: {cert-file: 5}",
            "number",
            "securityConfig.configJSON.client-transport-security.cert-file",
            "string",
        ),
        # Of two mistakes the one whose key sorts first.
        ("pre-vote: 3\nmax-wals: a", "string", "configYAML.Config.max-wals", "uint"),
    ],
)
def test_value_of_another_type(file: File, text: str, found: str, field: str, go_type: str) -> None:
    assert file.refusal(text) == (
        "error unmarshaling JSON: while decoding JSON: json: "
        f"cannot unmarshal {found} into Go struct field {field} of type {go_type}"
    )


@pytest.mark.parametrize(("text", "found"), [("- a", "array"), ("abc", "string"), ("5", "number")])
def test_file_that_is_no_mapping(file: File, text: str, found: str) -> None:
    assert file.refusal(text) == (
        "error unmarshaling JSON: while decoding JSON: json: "
        f"cannot unmarshal {found} into Go value of type embed.configYAML"
    )


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tname: x", "a: \x01", "a: 0x_"])
def test_what_is_no_yaml(file: File, text: str) -> None:
    assert file.refusal(text).startswith("error converting YAML to JSON: yaml: ")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.yml"
    with pytest.raises(InvalidConfigError) as error:
        load([f"--config-file={path}"], {}, lambda *_: None)
    assert str(error.value) == f"open {path}: no such file or directory"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("listen-client-urls", "listen-client-urls"),
        ("initial-advertise-peer-urls", "initial-advertise-peer-urls"),
        ("advertise-client-urls", "advertise-peer-urls"),
    ],
)
def test_bad_url(file: File, key: str, shown: str) -> None:
    with pytest.raises(UnusableFileError) as error:
        file.load(f"{key}: x")
    assert str(error.value) == (
        f"unexpected error setting up {shown}: URL scheme must be http, https, unix, or unixs: x"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("feature-gates: Foo=true", "unrecognized feature gate: Foo"),
        ("initial-cluster-state: foo", 'unexpected clusterState "foo"'),
        ("log-format: xml", "unknown log format: xml, supported values json, console"),
        ("logger: foo", 'unknown logger option "foo"'),
        (
            "log-outputs: [default, stderr]",
            'multi logoutput for "default" is not supported yet',
        ),
        ("auto-compaction-mode: foo", 'unknown auto-compaction-mode "foo"'),
        (
            "cors: http://a.com",
            'invalid value "http://a.com" for cors: '
            'URL address does not have the form "host:port": http://a.com',
        ),
        ("transport: foo", 'invalid value "foo" for transport: invalid value'),
        ("enable-distributed-tracing: true", "--enable-distributed-tracing is not supported"),
        (
            "discovery-srv: example.com",
            "--discovery-srv is not supported: this server is a single node and joins no others",
        ),
    ],
)
def test_what_is_refused_for_its_meaning(file: File, text: str, why: str) -> None:
    assert file.refusal(text) == why


def test_unknown_log_level(file: File) -> None:
    with pytest.raises(UnknownLogLevelError):
        file.load("log-level: foo")


def test_names_that_clients_may_have_are_a_list(file: File) -> None:
    text = "client-transport-security: {allowed-hostname: [a, b]}"
    config = file.load(text)
    assert config.client_cert_allowed_hostname == ("a", "b")


def test_validity_of_no_years_is_the_usual_one(file: File) -> None:
    config = file.load("self-signed-cert-validity: 0")
    assert config.self_signed_cert_validity == 1
