"""Requests of which it can be told whether anybody still has them."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

__all__ = ["Asked"]


class _Request:
    """Has the fields of a message. To those of protobuf there are no weak references."""

    def __init__(self, fields: dict[str, object]) -> None:
        vars(self).update(fields)


class Asked:
    """The requests that were made."""

    def __init__(self) -> None:
        self._requests: WeakSet[_Request] = WeakSet()

    def of(self, **fields: object) -> Any:
        """Return a request with these fields."""
        request = _Request(fields)
        self._requests.add(request)
        return request

    @property
    def are_gone(self) -> bool:
        """Whether nobody has any of them."""
        return not self._requests
