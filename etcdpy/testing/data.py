"""
What is in a store, as tests write it down: mappings, files of JSON or YAML, snapshots.

Keys and values are bytes. Where text is more convenient it is UTF-8, and bytes that are none
survive as what Python has for them (``surrogateescape``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Event", "as_bytes", "as_text", "is_snapshot", "read_mapping", "write_mapping"]

_MAPPINGS = (".json", ".yaml", ".yml")


class Event(NamedTuple):
    """
    One change of a key.

    Attributes:
        key: Which.
        value: What was put, None if it was deleted.
        revision: In which revision.
        version: How often the key had been put since it was created; 0 if it was deleted.
        lease: The lease that it hung on; 0 for none.

    """

    key: bytes
    value: bytes | None
    revision: int
    version: int = 0
    lease: int = 0

    @property
    def is_delete(self) -> bool:
        """Whether it was deleted."""
        return self.value is None


def as_bytes(text: Any) -> bytes:
    """
    Return a key or a value; what is neither text nor bytes is written as JSON.

    >>> as_bytes("ä"), as_bytes(b"x"), as_bytes({"a": 1})
    (b'\\xc3\\xa4', b'x', b'{"a": 1}')
    """
    if isinstance(text, (bytes, bytearray)):
        return bytes(text)
    written = text if isinstance(text, str) else json.dumps(text)
    return written.encode("utf-8", "surrogateescape")


def as_text(data: bytes) -> str:
    """Return bytes as text; ``as_bytes`` gives them back."""
    return data.decode("utf-8", "surrogateescape")


def is_snapshot(source: Any) -> bool:
    """Tell whether something is the path of a snapshot, rather than of a mapping, or one."""
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() not in _MAPPINGS


def read_mapping(source: Mapping[Any, Any] | str | Path) -> dict[bytes, bytes]:
    """
    Return the keys and values of a mapping, or of a file that has one.

    Raises:
        ValueError: The file has something else.
        OSError: It cannot be read.

    """
    found: Any = source
    if not isinstance(source, Mapping):
        path = Path(source)
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
        else:
            import yaml

            found = yaml.safe_load(text)
        if not isinstance(found, Mapping):
            raise ValueError(f"{path} has no mapping of keys to values")
    return {as_bytes(key): as_bytes(value) for key, value in found.items()}


def write_mapping(pairs: Mapping[bytes, bytes], path: Path) -> None:
    """Write keys and values as JSON or YAML, by the name of the file."""
    texts = {as_text(key): as_text(value) for key, value in pairs.items()}
    if path.suffix.lower() == ".json":
        written = json.dumps(texts, indent=2, sort_keys=True) + "\n"
    else:
        import yaml

        written = yaml.safe_dump(texts, allow_unicode=True)
    path.write_text(written, encoding="utf-8")
