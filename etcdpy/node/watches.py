"""Watching: the sessions of clients that watch."""

from __future__ import annotations

from etcdpy.node.caller import Caller
from etcdpy.node.parts import Part
from etcdpy.node.watch_session import WatchSession
from etcdpy.watch import ResponseWriter


class Watches(Part):
    """The methods of a node that are about watching."""

    def watch(self, writer: ResponseWriter, caller: Caller) -> WatchSession:
        """
        Begin to serve a client that watches; whoever has the session closes it.

        Args:
            writer: Takes the encoded WatchResponses.

        """
        parts = self._parts
        return WatchSession(parts.hub, parts.settings, parts.clock, writer, parts.admission, caller)
