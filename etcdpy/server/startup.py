"""What is looked at before a server serves, and whom to tell when it does."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from pathlib import Path

__all__ = ["DataDirUnreadableError", "is_initialized", "notify_ready", "notify_stopping"]

logger = logging.getLogger(__name__)


class DataDirUnreadableError(Exception):
    """The data directory cannot be listed; the text is Go's."""


def is_initialized(data_dir: Path) -> bool:
    """
    Tell whether a member has lived in ``data_dir``, and log which it is.

    Raises:
        DataDirUnreadableError: It exists but is no directory, or may not be read.

    """
    try:
        names = sorted(os.listdir(data_dir))
    except FileNotFoundError:
        names = []
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise DataDirUnreadableError(f"open {data_dir}: {reason}") from error
    for name in names:
        if name != "member":
            fields = {"filename": name, "data-dir": str(data_dir)}
            logger.warning("found invalid file under data directory", fields)
    if "member" in names:
        fields = {"data-dir": str(data_dir), "dir-type": "member"}
        logger.info("server has already been initialized", fields)
        return True
    fields = {"data-dir": str(data_dir), "dir-type": "empty"}
    logger.info("Initialize and start etcd server", fields)
    return False


def notify_ready() -> None:
    """Tell systemd that the server serves, if it asked to be told. (sd_notify(3))"""
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
    """Tell systemd that the server is about to end, if it asked to be told."""
    if os.environ.get("NOTIFY_SOCKET"):
        # It will see the end anyway.
        with contextlib.suppress(OSError):
            _notify(b"STOPPING=1")


def _notify(state: bytes) -> None:
    path = os.environ["NOTIFY_SOCKET"]
    # A leading @ stands for the zero byte of the abstract namespace.
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state, address)
