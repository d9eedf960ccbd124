"""
The first look at a data directory: whether a member has lived there.

Nothing is opened or made yet. What a new directory needs, a used one does not: the answer
decides which settings are checked. (etcd: ``identifyDataDirOrDie``)
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

__all__ = ["DataDirUnreadableError", "is_initialized"]

logger = logging.getLogger(__name__)


class DataDirUnreadableError(Exception):
    """The data directory cannot be listed; the text is Go's."""


def is_initialized(data_dir: Path) -> bool:
    """
    Tell whether a member has lived in ``data_dir``, and log that it has, or has not.

    Each name that does not belong there is logged as a warning.

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
