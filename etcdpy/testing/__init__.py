"""What tests of clients, and of this server, are made with. Importing it imports no server."""

from __future__ import annotations

from etcdpy.testing.clock import MovableClock

__all__ = ["MovableClock"]
