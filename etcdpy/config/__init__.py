"""
Settings: etcd's flags and environment variables, with etcd's syntax, precedence and texts.

``load`` gives a ``Config`` that can be served; ``check_bootstrap`` is for the start on a new
data directory.

"""

from etcdpy.config.bootstrap import check_bootstrap
from etcdpy.config.check import parse_level
from etcdpy.config.errors import (
    ConfigError,
    HelpRequested,
    InvalidConfigError,
    UnknownLogLevelError,
    UsageError,
)
from etcdpy.config.load import Note, ShadowedVariableError, VersionRequested, load, with_data_dir
from etcdpy.config.model import SETTINGS, Config, Setting
from etcdpy.config.urls import Url

__all__ = [
    "SETTINGS",
    "Config",
    "ConfigError",
    "HelpRequested",
    "InvalidConfigError",
    "Note",
    "Setting",
    "ShadowedVariableError",
    "UnknownLogLevelError",
    "Url",
    "UsageError",
    "VersionRequested",
    "check_bootstrap",
    "load",
    "parse_level",
    "with_data_dir",
]
