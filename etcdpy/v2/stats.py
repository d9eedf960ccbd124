"""
How many operations of each kind there were, and how many failed.

(etcd 3.5: ``server/etcdserver/api/v2store/stats.go``)
"""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Stats"]


@dataclass
class Stats:
    """Counters of a run; those of ``/v2/stats/store`` in its order but for the last, watchers."""

    gets_success: int = 0
    gets_fail: int = 0
    sets_success: int = 0
    sets_fail: int = 0
    delete_success: int = 0
    delete_fail: int = 0
    update_success: int = 0
    update_fail: int = 0
    create_success: int = 0
    create_fail: int = 0
    compare_and_swap_success: int = 0
    compare_and_swap_fail: int = 0
    compare_and_delete_success: int = 0
    compare_and_delete_fail: int = 0
    expire_count: int = 0

    def shown(self) -> dict[str, int]:
        """Return the counters by the names that clients know, such as ``getsSuccess``."""
        return {_camel(field.name): getattr(self, field.name) for field in fields(self)}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
