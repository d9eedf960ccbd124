"""
The check of a store that has just been closed, for those who ask for it.

``ETCD_VERIFY=all`` or ``storage_wal`` does. (etcd: ``verify.MustVerifyIfEnabled``)
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from etcdpy.config import Config
from etcdpy.mvcc.invariants import is_wanted
from etcdpy.storage import StorageError

__all__ = ["VerificationError", "verify_if_wanted"]

logger = logging.getLogger(__name__)


class VerificationError(Exception):
    """The store that was closed is not consistent; the text says where."""


def verify_if_wanted(config: Config) -> None:
    """
    Check what a server leaves behind, if the environment asks for it.

    Raises:
        VerificationError: It contradicts itself, or cannot be opened.

    """
    if not is_wanted("storage_wal", os.environ):
        return
    # Most servers never need it.
    from etcdpy.mvcc.check import InconsistentError, verify

    fields: dict[str, object] = {"data-dir": config.data_dir}
    logger.info("verification of persisted state", fields)
    try:
        verify(Path(config.data_dir), fsync=not config.unsafe_no_fsync)
    except (InconsistentError, StorageError) as error:
        failure = {"error": str(error)}
        logger.error("verification of persisted state failed", fields | failure)
        raise VerificationError(str(error)) from error
    logger.info("verification of persisted state successful", fields)
