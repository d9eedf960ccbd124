"""
Settings: etcd's flags, environment variables and files, with etcd's syntax, precedence and texts.

``load`` gives a ``Config`` that can be served; ``check_bootstrap`` is for the start on a new
data directory.

"""

from etcdpy.config.bootstrap import check_bootstrap, check_learners, cluster_text
from etcdpy.config.check import parse_level
from etcdpy.config.errors import (
    ConfigError,
    HelpRequested,
    InvalidConfigError,
    UndefinedFlagError,
    UnknownLogLevelError,
    UnusableFileError,
    UsageError,
)
from etcdpy.config.flags import FLAGS, value_of
from etcdpy.config.load import (
    Note,
    ShadowedVariableError,
    VersionRequested,
    load,
    mentions,
    with_data_dir,
)
from etcdpy.config.model import SETTINGS, Config
from etcdpy.config.setting import Setting
from etcdpy.config.urls import Url, UrlError, parse_urls

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
    "UndefinedFlagError",
    "UnknownLogLevelError",
    "UnusableFileError",
    "Url",
    "UrlError",
    "UsageError",
    "VersionRequested",
    "check_bootstrap",
    "check_learners",
    "cluster_text",
    "load",
    "mentions",
    "parse_level",
    "parse_urls",
    "value_of",
    "with_data_dir",
]
