"""
How many bytes of DATA a peer may send us (RFC 9113 5.2).

A worked example, a stream with a window of 100: a message of 30 bytes arrives (70 left), the
handler reads it (30 owed, at least a quarter of the window), so 30 are granted (100 left). A
message of 250 begins: no window would ever let it in, so what it lacks is lent at once, and
is not owed again when the handler has read it.
"""


class ReceiveWindow:
    """What one stream may still send, and what it gets back."""

    __slots__ = ("_lent", "_owed", "_size", "left")

    def __init__(self, size: int) -> None:
        self._size = size
        self._owed = 0
        self._lent = 0
        self.left = size

    def take(self, size: int) -> bool:
        """Count bytes that arrived; return False if there was no window for them."""
        self.left -= size
        return self.left >= 0

    def lend(self, missing: int) -> int:
        """Return what to grant now, so that ``missing`` more bytes of a message can arrive."""
        # What is owed would be granted sooner or later: it goes first.
        grant = missing - self.left
        if grant <= 0:
            return 0
        self._lent += max(0, grant - self._owed)
        self._owed = max(0, self._owed - grant)
        self.left += grant
        return grant

    def consumed(self, size: int) -> int:
        """Return what to grant now that ``size`` bytes need no room any more, often 0."""
        # What was lent has been granted already; twice, and the window would stay too large.
        repaid = min(size, self._lent)
        self._lent -= repaid
        self._owed += size - repaid
        # Small grants are put together: a WINDOW_UPDATE has 13 bytes.
        if self._owed * 4 < self._size:
            return 0
        grant, self._owed = self._owed, 0
        self.left += grant
        return grant
