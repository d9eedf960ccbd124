"""The files of the dashboard, as they lie in the package."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

__all__ = ["CONTENT_TYPES", "FOLDER", "Asset", "Assets"]

FOLDER: Final = Path(__file__).parent / "static"

#: What there may be. Scripts have to be told as such, as browsers run nothing else
#: (``X-Content-Type-Options: nosniff``).
CONTENT_TYPES: Final[Mapping[str, bytes]] = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """
    A file.

    Attributes:
        content_type: What it is.
        data: What is in it.

    """

    content_type: bytes
    data: bytes

    @cached_property
    def etag(self) -> bytes:
        """Changes when the data does; weak, as it is the same for gzip. (RFC 9110 8.8.3)"""
        return b'W/"%s"' % hashlib.sha256(self.data).hexdigest()[:20].encode()

    @cached_property
    def compressed(self) -> bytes:
        """The data in gzip."""
        return gzip.compress(self.data, 9, mtime=0)


class Assets:
    """
    Finds files by their names.

    The folder is listed when the first one is asked for, and a file is read when it is: a server
    that nobody looks at reads nothing. Only what was listed is found, so that no name leads out of
    the folder.

    Args:
        folder: Where they are.

    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._read: dict[str, Asset] = {}

    def find(self, name: str) -> Asset | None:
        """
        Return a file, or None if there is none of that name.

        Args:
            name: Relative to the folder, such as ``core/bytes.js``.

        """
        asset = self._read.get(name)
        if asset is None and (path := self._paths.get(name)) is not None:
            asset = self._read[name] = Asset(CONTENT_TYPES[path.suffix], path.read_bytes())
        return asset

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        return {
            path.relative_to(self._folder).as_posix(): path
            for path in self._folder.rglob("*")
            if path.suffix in CONTENT_TYPES
        }
