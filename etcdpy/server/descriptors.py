"""
Open files: as many as the system allows, and a share of them that no client can take.

Every connection is a descriptor, and so is every file of the store. Clients therefore get what
is left behind a reserve. (etcd: ``embed/etcd.go``, ``reservedInternalFDNum``; Go's runtime,
``os/rlimit.go``, raises the limit)
"""

from __future__ import annotations

import contextlib
import resource

__all__ = ["RESERVED", "TooFewDescriptorsError", "for_clients", "raise_limit"]

#: Descriptors that are the server's own: the store's files and log files, the loop's, and those
#: of the process that copies the database.
RESERVED = 150


class TooFewDescriptorsError(Exception):
    """
    The limit of open files leaves none for clients; the text is etcd's.

    Attributes:
        fields: What the log line says beside it.

    """

    def __init__(self, limit: int) -> None:
        super().__init__("file descriptor limit of etcd process is too low; please set higher")
        self.fields: dict[str, object] = {"limit": limit, "recommended-limit": RESERVED}


def raise_limit() -> None:
    """Raise the soft limit of open files to the hard one, if the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def for_clients() -> int | None:
    """
    Return how many connections may be open at a time; None for any number.

    Raises:
        TooFewDescriptorsError: There is none left for them.

    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return None
    if limit <= RESERVED:
        raise TooFewDescriptorsError(limit)
    return limit - RESERVED
