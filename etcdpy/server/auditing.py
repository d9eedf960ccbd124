"""The audit log of a server, opened before its node and closed behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etcdpy.clock import Clock
from etcdpy.config import Config, InvalidConfigError
from etcdpy.node.audit import Auditor, Stamps, gap_line
from etcdpy.services.codes import words_of

__all__ = ["open_audit_log"]


@contextmanager
def open_audit_log(config: Config, clock: Clock) -> Iterator[Auditor | None]:
    """
    Open the audit log that ``config`` names, if it names one; at the end of the block close it.

    All lines are on the disk then.

    Raises:
        InvalidConfigError: If the file cannot be opened.

    """
    if not config.audit_log:
        yield None
        return
    # Only now: it knows of dates and gzip, which take a while to import.
    from etcdpy.logs.audit_file import AuditFile, AuditFileError

    # A writing thread's own: it is to share no state with the loop.
    stamps = Stamps(clock.wall)
    try:
        file = AuditFile(
            config.audit_log,
            config.audit_log_rotation,
            clock,
            is_synced=config.audit_log_sync,
            gap=lambda lost: gap_line(stamps.now(), lost),
        )
    except AuditFileError as error:
        raise InvalidConfigError(str(error)) from None
    try:
        yield Auditor(file, clock.wall, words_of)
    finally:
        file.close()
