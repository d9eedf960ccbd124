"""
What etcd demands of the settings before it touches the disk. (etcd: ``embed.Config.Validate``)

The order is etcd's: of several mistakes the operator is told of the same one first.

"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

from etcdpy.config.errors import InvalidConfigError, UnknownLogLevelError
from etcdpy.config.flags import FLAGS
from etcdpy.config.model import Config
from etcdpy.config.rotation import check_rotated, parse_rotation
from etcdpy.config.setting import SECURITY
from etcdpy.config.urls import Url, UrlError, check_bindable, check_has_host
from etcdpy.gostd.quoting import go_quote, go_quote_all

__all__ = ["Note", "check", "check_tls_versions", "parse_level", "remark_without_effect"]

#: Receives what the operator should read: level, message, fields.
Note = Callable[[Literal["info", "warn"], str, Mapping[str, object]], None]

#: Level names to the standard library's numbers. A threshold above "error" shows only what
#: ends the server.
_LEVELS = {
    "debug": 10,
    "info": 20,
    "": 20,
    "warn": 30,
    "warning": 30,
    "error": 40,
    "dpanic": 50,
    "panic": 50,
    "fatal": 50,
}

#: (etcd: ``recommendedMaxRequestBytes``)
_RECOMMENDED_REQUEST_BYTES = 10 * 1024 * 1024
#: (etcd: ``maxElectionMs``)
_LONGEST_ELECTION_MS = 50000


def parse_level(text: str) -> int:
    """
    Return the number of a level name, in any case of letters.

    Raises:
        UnknownLogLevelError: There is no such level.

    """
    try:
        return _LEVELS[text.lower()]
    except KeyError:
        raise UnknownLogLevelError(f"unrecognized level: {go_quote(text)}") from None


def check(config: Config, given: Collection[str], note: Note) -> None:
    """
    Refuse settings that cannot be served, and note those that are unwise or without effect.

    Args:
        config: The settings.
        given: Flags that were set by the operator, on the command line or otherwise.
        note: Receives the remarks.

    Raises:
        InvalidConfigError: The text is etcd's.
        UnknownLogLevelError: ``log_level`` names none.

    """
    _check_logging(config)
    _demand(check_bindable, config.listen_peer_urls)
    _demand(check_bindable, config.listen_client_urls)
    _demand(check_bindable, config.listen_client_http_urls)
    if not config.listen_client_http_urls:
        single_port = (
            "Running http and grpc server on single port. This is not recommended for production."
        )
        note("warn", single_port, {})
    _demand(check_bindable, config.listen_metrics_urls)
    form = '--initial-advertise-peer-urls {} must be "host:port" ({})'
    _demand(check_has_host, config.initial_advertise_peer_urls, form)
    form = (
        '--advertise-client-urls {} must be in the format "host:port", "unix:/path/to/socket" '
        'or "unixs:/path/to/socket" ({})'
    )
    _demand(check_has_host, config.advertise_client_urls, form)
    # A flag was held to these words when it was parsed; what a file says comes here as it stands.
    if config.initial_cluster_state not in ("new", "existing"):
        raise InvalidConfigError(
            f"unexpected clusterState {go_quote(config.initial_cluster_state)}"
        )
    _check_times(config)
    if not config.advertise_client_urls:
        raise InvalidConfigError(
            "--advertise-client-urls is required when --listen-client-urls is set explicitly"
        )
    _check_compaction_mode(config.auto_compaction_mode)
    _check_gates(config, note)
    _remark(config, note)
    _remark_tls(config, note)


def _check_logging(config: Config) -> None:
    """Refuse outputs and formats of the log that cannot be. (etcd: ``setupLogging``)"""
    if config.logger == "capnslog":
        raise InvalidConfigError("--logger=capnslog is removed in v3.5")
    if config.logger != "zap":
        raise InvalidConfigError(f"unknown logger option {go_quote(config.logger)}")
    outputs = sorted(set(config.log_outputs))
    if len(outputs) > 1 and "default" in outputs:
        raise InvalidConfigError('multi logoutput for "default" is not supported yet')
    if config.enable_log_rotation:
        check_rotated(outputs)
        parse_rotation(config.log_rotation_config_json)
    if len(outputs) > 1 and "systemd/journal" in outputs:
        raise InvalidConfigError(
            "running with systemd/journal but other '--log-outputs' values "
            f"({go_quote_all(outputs)}) are configured with 'default'; override 'default' value "
            "with something else"
        )
    _check_audit_log(config, outputs)
    parse_level(config.log_level)
    # No format at all is JSON. (etcd: ``logutil.ConvertToZapFormat``)
    if config.log_format not in ("json", "console", ""):
        raise InvalidConfigError(
            f"unknown log format: {config.log_format}, supported values json, console"
        )


def _check_audit_log(config: Config, outputs: Collection[str]) -> None:
    """Refuse an audit log that cannot be, or that would be none."""
    if not config.audit_log:
        if config.audit_log_sync:
            raise InvalidConfigError("--audit-log-sync requires --audit-log")
        return
    if os.path.realpath(config.audit_log) in map(os.path.realpath, outputs):
        raise InvalidConfigError("--audit-log and --log-outputs must not be the same file")
    try:
        parse_rotation(config.audit_log_rotation_config_json)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"--audit-log-rotation-config-json: {error}") from None


def _demand(
    condition: Callable[[Iterable[Url]], None], urls: Collection[Url], form: str = "{1}"
) -> None:
    try:
        condition(urls)
    except UrlError as refusal:
        together = go_quote(",".join(map(str, urls)))
        raise InvalidConfigError(form.format(together, refusal)) from None


def _check_times(config: Config) -> None:
    heartbeat, election = config.heartbeat_interval, config.election_timeout
    for flag, value in (("heartbeat-interval", heartbeat), ("election-timeout", election)):
        if not value:
            raise InvalidConfigError(f"--{flag} must be >0 (set to 0ms)")
    # Nobody is elected here, but the shortest lease is counted in these (``min_lease_ttl``).
    if 5 * heartbeat > election:
        raise InvalidConfigError(
            f"--election-timeout[{election}ms] should be at least as 5 times as "
            f"--heartbeat-interval[{heartbeat}ms]"
        )
    if election > _LONGEST_ELECTION_MS:
        raise InvalidConfigError(
            f"--election-timeout[{election}ms] is too long, and should be set less than "
            f"{_LONGEST_ELECTION_MS}ms"
        )


def _check_compaction_mode(mode: str) -> None:
    if not mode:
        raise InvalidConfigError("undefined auto-compaction-mode")
    if mode not in ("periodic", "revision"):
        raise InvalidConfigError(f"unknown auto-compaction-mode {go_quote(mode)}")


def _check_gates(config: Config, note: Note) -> None:
    checkpoints = "LeaseCheckpoint" in config.feature_gates
    persisted = "LeaseCheckpointPersist" in config.feature_gates
    # By itself it would persist nothing, and look as if it did.
    if persisted and not checkpoints:
        raise InvalidConfigError(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
            "LeaseCheckpoint"
        )
    if checkpoints and not persisted:
        message = (
            "Detected that checkpointing is enabled without persistence. Consider enabling "
            "feature gate LeaseCheckpointPersist"
        )
        note("warn", message, {})


def _remark(config: Config, note: Note) -> None:
    if config.name == "default":
        note(
            "warn",
            "it isn't recommended to use default name, please set a value for --name. Note that "
            "etcd might run into issue when multiple members have the same default name",
            {"name": config.name},
        )
    if config.max_request_bytes > _RECOMMENDED_REQUEST_BYTES:
        fields = {
            "max-request-bytes": config.max_request_bytes,
            "recommended-request-bytes": _RECOMMENDED_REQUEST_BYTES,
        }
        note("warn", "exceeded recommended request limit", fields)


def check_tls_versions(config: Config) -> None:
    """
    Refuse TLS versions that there are not. (etcd: ``tlsutil.GetTLSVersion``)

    Raises:
        InvalidConfigError: In etcd's words.

    """
    least, most = config.tls_min_version, config.tls_max_version
    for version in (least, most):
        if version not in ("", "TLS1.2", "TLS1.3"):
            raise InvalidConfigError(
                f"unexpected TLS version {go_quote(version)} (must be one of: TLS1.2, TLS1.3)"
            )
    # The names sort as the versions do.
    if most and least > most:
        raise InvalidConfigError(f"min version ({least}) is greater than max version ({most})")
    # Go has its own suites for TLS 1.3, which cannot be chosen. (Go: ``crypto/tls``)
    if least == "TLS1.3" and config.cipher_suites:
        raise InvalidConfigError("cipher suites cannot be configured when only TLS1.3 is enabled")


def _remark_tls(config: Config, note: Note) -> None:
    """Point out that a URL is served in the clear though the operator has certificates."""
    for url in config.listen_client_urls:
        if url.scheme not in ("http", "unix"):
            continue
        fields = {"client-url": str(url)}
        if config.cert_file or config.key_file:
            message = (
                "scheme is http or unix while key and cert files are present; ignoring key and "
                "cert files"
            )
            note("warn", message, fields)
        if config.client_cert_auth:
            message = (
                "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert "
                "auth for this URL"
            )
            note("warn", message, fields)


#: Flags that etcd has announced to drop, and what it says of them.
_DEPRECATED = {
    "max-snapshots": "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
    "v2-deprecation": "--v2-deprecation is deprecated and scheduled for removal in v3.8. "
    "The default value is enforced, ignoring user input.",
}


def remark_without_effect(given: Collection[str], note: Note) -> None:
    """
    Note every flag among ``given`` that is taken for the sake of existing command lines.

    One that was to keep clients out is a warning. There are no peers to keep out.

    """
    for name, message in _DEPRECATED.items():
        if name in given:
            note("warn", message, {})
    for name in sorted(given):
        if name not in FLAGS or FLAGS[name].honoured:
            continue
        protects = FLAGS[name].section == SECURITY and not name.startswith("peer-")
        message = "flag is accepted for compatibility and has no effect"
        note("warn" if protects else "info", message, {"flag": name})
