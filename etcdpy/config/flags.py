"""Every flag, honoured or not, in the order of the help, and what it was set to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from etcdpy.config.accepted import ACCEPTED
from etcdpy.config.model import SETTINGS, Config
from etcdpy.config.setting import SECTIONS, Setting

__all__ = ["FLAGS", "value_of"]

#: Flag name to its row.
FLAGS: Mapping[str, Setting] = MappingProxyType(
    dict(sorted({**SETTINGS, **ACCEPTED}.items(), key=lambda item: SECTIONS.index(item[1].section)))
)


def value_of(config: Config, flag: str) -> Any:
    """
    Return what a flag is set to, given or by default, whether it has an effect here or not.

    Args:
        config: The settings.
        flag: One of ``FLAGS``, such as ``max-wals``.

    """
    if flag in SETTINGS:
        return getattr(config, flag.replace("-", "_"))
    return config.accepted.get(flag, ACCEPTED[flag].default)
