"""
What a test's server can be told: any flag of etcd's by its name, and what only tests want.

>>> Settings.of(quota_backend_bytes=1 << 20, auto_compaction_retention="1h").flags
{'quota-backend-bytes': '1048576', 'auto-compaction-retention': '1h'}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from etcdpy import config
from etcdpy.config import FLAGS, Config
from etcdpy.config.values import Duration

__all__ = ["Settings"]

#: Hashing a password is cheap here, unless a test wants it as it is.
_CHEAPEST = {"bcrypt-cost": "4"}


@dataclass(frozen=True)
class Settings:
    """
    Settings of a test's server.

    Attributes:
        flags: etcd's, by name, as on a command line.
        auth: Passwords by user; ``root`` has to be among them, and authentication is on. Other
            users may be mappings with ``password`` and ``roles``; a role is a list of prefixes
            it may read and write.
        roles: By name the prefixes that a role may read and write.
        tls: Whether clients come over TLS, by certificates made here.
        client_certificates: Whether clients have to show one, with ``tls``.
        data: What is there at the beginning: a mapping, a file in JSON or YAML, or a snapshot.
        version: What is told to be etcd's version.
        clock: ``"running"``, or ``"frozen"`` at the beginning.
        data_dir: Where to keep data; None for in memory, and not at all.
        port: Where to listen; 0 for a free one.
        requests: How many requests are kept.

    """

    flags: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, Any] | None = None
    roles: Mapping[str, Iterable[str]] = field(default_factory=dict)
    tls: bool = False
    client_certificates: bool = False
    data: Mapping[Any, Any] | str | Path | None = None
    version: str | None = None
    clock: str = "running"
    data_dir: str | Path | None = None
    port: int = 0
    requests: int = 10_000

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """
        Return settings.

        Args:
            given: Attributes of this class, or etcd's flags with underscores. Times are seconds,
                a ``timedelta``, or text in Go's format.

        Raises:
            TypeError: There is no such setting; it names the nearest one.
            ValueError: One cannot have that value.

        """
        own = {name: given.pop(name) for name in list(given) if name in _OWN}
        flags = dict(own.pop("flags", {}))
        for name, value in given.items():
            flag = name.replace("_", "-")
            if flag not in FLAGS:
                raise TypeError(_unknown(name))
            if flag in _DECIDED:
                raise ValueError(f"{name} is not a test's to set; give {_DECIDED[flag]}")
            flags[flag] = _text(flag, value)
        settings = cls(flags=flags, **own)
        if settings.clock not in ("running", "frozen"):
            raise ValueError(f"a clock is 'running' or 'frozen', not {settings.clock!r}")
        if settings.auth is not None and "root" not in settings.auth:
            raise ValueError("auth= needs a password for root: etcd has no authentication without")
        settings.config("/nowhere", 1)
        return settings

    def config(
        self, data_dir: str | Path, port: int, more: Mapping[str, str] | None = None
    ) -> Config:
        """
        Return the server's settings.

        Args:
            data_dir: Where its data is.
            port: Where it listens.
            more: Flags that follow from other settings.

        Raises:
            ValueError: etcd would not start with them; it says what etcd says.

        """
        scheme = "https" if self.tls else "http"
        url = f"{scheme}://127.0.0.1:{port}"
        flags = {
            "listen-client-urls": url,
            "advertise-client-urls": url,
            **_CHEAPEST,
            **(more or {}),
            **self.flags,
            "data-dir": str(data_dir),
        }
        if self.data_dir is None:
            flags["unsafe-no-fsync"] = "true"
        if self.tls and not more:
            # Their names come with ``more``; here it is only asked whether all else is right.
            flags |= {"cert-file": "server.pem", "key-file": "server-key.pem"}
        arguments = [f"--{name}={value}" for name, value in flags.items()]
        try:
            return config.load(arguments, {}, lambda *note: None)
        except (config.UsageError, config.InvalidConfigError) as error:
            raise ValueError(str(error)) from None


#: Flags that the kit decides by itself, and what to say instead.
_DECIDED = {
    "listen-client-urls": "port=",
    "listen-client-http-urls": "port=",
    "listen-metrics-urls": "port=; metrics are there, too",
    "config-file": "the settings in it",
    "transport": "nothing: it is the native one",
}
_OWN = {entry.name for entry in fields(Settings)}


def _text(flag: str, value: Any) -> str:
    """Return a value as it stands on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    if isinstance(value, (str, Path)):
        return str(value)
    if isinstance(value, (int, float)):
        return f"{value}s" if _is_duration(flag) else str(value)
    if isinstance(value, Iterable):
        return ",".join(str(part) for part in value)
    raise TypeError(f"{flag}={value!r} cannot be a setting")


def _is_duration(flag: str) -> bool:
    return isinstance(FLAGS[flag].kind, Duration)


def _unknown(name: str) -> str:
    from etcdpy.config.nearest import nearest

    meant = nearest(name, [*FLAGS, *(own.replace("_", "-") for own in _OWN)])
    hint = f"; did you mean {meant.replace('-', '_')}?" if meant else ""
    return f"no setting {name!r}{hint}"
