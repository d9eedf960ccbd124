"""A future that is resolved when something is on the disk."""

from __future__ import annotations

import asyncio


class Durable(asyncio.Future[None]):
    """
    Resolved once for all who wait: none of them can cancel it for the others.

    A task that is cancelled while it waits learns so when this is resolved,
    which takes the disk a few milliseconds.
    """

    def cancel(self, msg: object = None) -> bool:
        """Leave it as it is, as others wait too; return False."""
        return False
