"""
Member and cluster IDs, computed as etcd computes them.

::

    member  = first 8 bytes of sha1(sorted peer URLs, joined, + cluster token), big-endian
    cluster = first 8 bytes of sha1(member as 8 bytes)

so that a server given the same peer URLs and token as an etcd has that etcd's IDs.
(etcd: ``membership.computeMemberID``, ``RaftCluster.genID``)

"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

__all__ = ["cluster_id", "member_id"]


def member_id(peer_urls: Iterable[str], token: str) -> int:
    """Return the ID of the member founded with these peer URLs, in any order."""
    return _first_eight(("".join(sorted(peer_urls)) + token).encode())


def cluster_id(member: int) -> int:
    """Return the ID of the cluster whose only member is ``member``."""
    return _first_eight(member.to_bytes(8, "big"))


def _first_eight(data: bytes) -> int:
    digest = sha1(data, usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big")
