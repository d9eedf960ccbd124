"""``--log-rotation-config-json``: how a log file is rotated. (etcd: ``setupLogRotation``)"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from etcdpy.config.errors import InvalidConfigError

__all__ = ["Rotation", "check_rotated", "parse_rotation"]

#: lumberjack's ``megabyte``, and the size it takes for 0 (``defaultMaxSize``).
_MEGABYTE = 1024 * 1024
_DEFAULT_MEGABYTES = 100


class Rotation(NamedTuple):
    """
    When a file is set aside, and what becomes of it.

    Attributes:
        max_size: Megabytes a file may have; 0 is 100.
        max_age: Days that full files are kept; 0 is for ever.
        max_backups: Full files that are kept; 0 is all.
        local_time: Name full files by local time, not UTC.
        compress: Compress full files with gzip.

    """

    max_size: int = 0
    max_age: int = 0
    max_backups: int = 0
    local_time: bool = False
    compress: bool = False

    @property
    def max_bytes(self) -> int:
        """Bytes a file may have."""
        return (self.max_size if self.max_size > 0 else _DEFAULT_MEGABYTES) * _MEGABYTE


#: Keys to the fields they are for, and their Go types.
_KEYS = {
    "maxsize": ("max_size", "int"),
    "maxage": ("max_age", "int"),
    "maxbackups": ("max_backups", "int"),
    "localtime": ("local_time", "bool"),
    "compress": ("compress", "bool"),
}

#: Outputs that are no files. The journal counts as one, as in etcd.
_STREAMS = ("default", "stderr", "stdout")


def check_rotated(outputs: Sequence[str]) -> None:
    """
    Require one of the outputs, and no more, to be a file.

    Raises:
        InvalidConfigError: The text is etcd's.

    """
    files = [name for name in outputs if name not in _STREAMS]
    if len(files) > 1 or (len(outputs) == 1 and not files):
        raise InvalidConfigError(
            "--log-outputs requires a single file path when --log-rotate-config-json is defined"
        )


def parse_rotation(text: str) -> Rotation:
    """
    Read the settings of a rotation; keys that mean nothing are passed over.

    Raises:
        InvalidConfigError: They are no JSON, or of the wrong types.

    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidConfigError(
            f"improperly formatted log rotation config: {_why(text, error)}"
        ) from None
    if document is None:
        return Rotation()
    if not isinstance(document, dict):
        raise _mistyped(document, "value of type embed.logRotationConfig")
    found = {}
    for key, value in document.items():
        # As for every key, ``encoding/json`` passes over the case.
        name, go_type = _KEYS.get(key.lower(), ("", ""))
        if not name or value is None:
            continue
        if not _is(value, go_type):
            place = f"struct field logRotationConfig.Logger.{key.lower()} of type {go_type}"
            raise _mistyped(value, place)
        found[name] = value
    return Rotation(**found)


def _is(value: object, go_type: str) -> bool:
    # A bool is an int to Python, and none to Go.
    if go_type == "bool" or isinstance(value, bool):
        return go_type == "bool" and isinstance(value, bool)
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _why(text: str, error: ValueError) -> str:
    position = getattr(error, "pos", 0)
    if position >= len(text.rstrip()):
        return "unexpected end of JSON input"
    return f"invalid character '{text[position]}' at offset {position}"


def _mistyped(value: object, place: str) -> InvalidConfigError:
    shown = {bool: "bool", dict: "object", list: "array", str: "string"}.get(type(value))
    return InvalidConfigError(
        "invalid log rotation config: json: "
        f"cannot unmarshal {shown or f'number {value}'} into Go {place}"
    )
