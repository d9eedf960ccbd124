"""Every flag, honoured or not, in the order of the help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from etcdpy.config.accepted import ACCEPTED
from etcdpy.config.model import SETTINGS
from etcdpy.config.setting import SECTIONS, Setting

__all__ = ["FLAGS"]

#: Flag name to its row.
FLAGS: Mapping[str, Setting] = MappingProxyType(
    dict(sorted({**SETTINGS, **ACCEPTED}.items(), key=lambda item: SECTIONS.index(item[1].section)))
)
