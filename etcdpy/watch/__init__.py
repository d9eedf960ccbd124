"""Watches: every change of a key, in order and once, to whoever asked for it."""

from __future__ import annotations

from etcdpy.watch.hub import Hub
from etcdpy.watch.output import ResponseWriter
from etcdpy.watch.stream import WatchStream
from etcdpy.watch.watcher import Watcher

__all__ = ["Hub", "ResponseWriter", "WatchStream", "Watcher"]
