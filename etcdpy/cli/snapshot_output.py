"""What the snapshot commands print: a file's summary as etcdutl prints it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdpy.gostd.sizes import human_size

if TYPE_CHECKING:  # for save, which needs none of it, it would take long to import
    from etcdpy.storage.snapshot_status import Status

__all__ = ["FORMATS"]


def _simple(status: Status) -> str:
    return ", ".join(_cells(status))


def _fields(status: Status) -> str:
    names = ("Hash", "Revision", "Keys", "Size", "Version")
    return "\n".join(f'"{name}" : {value}' for name, value in zip(names, status, strict=True))


def _json(status: Status) -> str:
    names = ("hash", "revision", "totalKey", "totalSize", "version")
    return json.dumps(dict(zip(names, status, strict=True)), separators=(",", ":"))


def _table(status: Status) -> str:
    heads = ("HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION")
    cells = _cells(status)
    widths = [max(map(len, column)) for column in zip(heads, cells, strict=True)]
    rules = ["─" * (width + 2) for width in widths]
    head = (f" {text:^{width}} " for text, width in zip(heads, widths, strict=True))
    body = (f" {text:>{width}} " for text, width in zip(cells, widths, strict=True))
    lines = (
        f"┌{'┬'.join(rules)}┐",
        f"│{'│'.join(head)}│",
        f"├{'┼'.join(rules)}┤",
        f"│{'│'.join(body)}│",
        f"└{'┴'.join(rules)}┘",
    )
    return "\n".join(lines)


def _cells(status: Status) -> list[str]:
    numbers = [f"{status.hash:x}", str(status.revision), str(status.total_key)]
    return [*numbers, human_size(status.total_size), status.version]


FORMATS: dict[str, Callable[[Status], str]] = {
    "fields": _fields,
    "json": _json,
    "simple": _simple,
    "table": _table,
}
