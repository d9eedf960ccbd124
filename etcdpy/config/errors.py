"""What can be wrong with a command line, and the exit status it leads to."""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "HelpRequested",
    "InvalidConfigError",
    "UndefinedFlagError",
    "UnknownLogLevelError",
    "UnusableFileError",
    "UsageError",
]


class ConfigError(Exception):
    """Base of everything this package raises for the operator to mend."""


class UsageError(ConfigError):
    """
    The command line does not parse: an unknown flag, a bad value, a missing one.

    etcd prints the text with its usage and exits 2.

    """


class UndefinedFlagError(UsageError):
    """
    There is no such flag; the text is Go's.

    Attributes:
        name: What was given, without dashes.

    """

    def __init__(self, name: str) -> None:
        super().__init__(f"flag provided but not defined: -{name}")
        self.name = name


class HelpRequested(ConfigError):  # noqa: N818 - a request, not a mistake
    """``-h`` or ``--help`` was met; etcd prints its help and exits 0."""


class InvalidConfigError(ConfigError):
    """
    The settings parse but are refused together, or an environment value is bad.

    etcd logs ``failed to verify flags`` with the text and exits 1.

    """


class UnknownLogLevelError(ConfigError):
    """``--log-level`` names no level; etcd panics with the text, which is exit 2."""


class UnusableFileError(ConfigError):
    """A URL in the configuration file is bad; etcd prints the text alone and exits 1."""
