"""
What systemd is told of a server, if it asked to be: that it serves, and that it ends.

It asks by naming a socket in ``NOTIFY_SOCKET``, as it does for units of ``Type=notify``. One
datagram says one thing. (sd_notify(3); etcd: ``etcdmain.notifySystemd``)
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket

__all__ = ["notify_ready", "notify_stopping"]

logger = logging.getLogger(__name__)


def notify_ready() -> None:
    """Tell systemd that clients are served. A failure is logged, and no obstacle."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    logger.info("notifying init daemon")
    try:
        _notify(b"READY=1")
    except OSError as error:
        logger.error("failed to notify systemd for readiness", {"error": str(error)})
    else:
        logger.info("successfully notified init daemon")


def notify_stopping() -> None:
    """Tell systemd that the server is about to end. A failure is passed over."""
    if os.environ.get("NOTIFY_SOCKET"):
        # systemd sees the process end in any case.
        with contextlib.suppress(OSError):
            _notify(b"STOPPING=1")


def _notify(state: bytes) -> None:
    path = os.environ["NOTIFY_SOCKET"]
    # A leading @ stands for the zero byte of the abstract namespace.
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state, address)
