"""
Settings: etcd's flags, environment variables and files, with etcd's syntax, precedence and texts.

``load`` gives a ``Config`` that can be served; ``check_bootstrap`` is for the start on a new
data directory.

"""

from etcdpy.config.bootstrap import check_bootstrap, check_learners
from etcdpy.config.check import parse_level
from etcdpy.config.errors import (
    ConfigError,
    HelpRequested,
    InvalidConfigError,
    UnknownLogLevelError,
    UnusableFileError,
    UsageError,
)
from etcdpy.config.flags import FLAGS
from etcdpy.config.load import Note, ShadowedVariableError, VersionRequested, load, with_data_dir
from etcdpy.config.model import SETTINGS, Config
from etcdpy.config.setting import Setting
from etcdpy.config.urls import Url

__all__ = [
    "FLAGS",
    "SETTINGS",
    "Config",
    "ConfigError",
    "HelpRequested",
    "InvalidConfigError",
    "Note",
    "Setting",
    "ShadowedVariableError",
    "UnknownLogLevelError",
    "UnusableFileError",
    "Url",
    "UsageError",
    "VersionRequested",
    "check_bootstrap",
    "check_learners",
    "load",
    "parse_level",
    "with_data_dir",
]
