"""How much room large header lists may take, over all connections of a server."""

from __future__ import annotations

from typing import Final

from etcdpy.transport.limits import HEADER_ROOM


class HeaderRoom:
    """
    Counts the bytes of large header lists, those of blocks that are not complete included.

    Attributes:
        used: Bytes that are reserved now.

    """

    __slots__ = ("_limit", "used")

    def __init__(self, limit: int = HEADER_ROOM) -> None:
        self._limit: Final = limit
        self.used = 0

    def has(self, size: int) -> bool:
        """Tell whether so many bytes are free."""
        return self.used + size <= self._limit


class Reservation:
    """
    Room for one list, given back when nothing refers to the reservation any more.

    A list outlives its stream where a handler does, so it is the list that holds this.

    Attributes:
        size: Bytes.

    """

    __slots__ = ("_room", "size")

    def __init__(self, room: HeaderRoom) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> bool:
        """Reserve more; return False, and reserve nothing, if there is no room."""
        if not self._room.has(size):
            return False
        self.set(self.size + size)
        return True

    def set(self, size: int) -> None:
        """Reserve as much as that, whether there is room or not."""
        self._room.used += size - self.size
        self.size = size

    def __del__(self) -> None:
        self._room.used -= self.size
