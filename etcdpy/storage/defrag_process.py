"""The process that copies the database, as the server sees it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from etcdpy.storage import defrag_copy
from etcdpy.storage.errors import StorageError

#: Has Python leave the working directory out of where it looks for modules; 3.10 does not know it.
_SAFE_PATH: Final = ("-P",) if sys.version_info >= (3, 11) else ()


class CopyProcess:
    """
    A running ``defrag_copy``. One thread at a time, save ``kill``; all but that wait for it.

    Raises:
        OSError: If the system has no process for us.

    """

    def __init__(self, database: Path, copy: Path) -> None:
        paths = map(str, (database.absolute(), copy.absolute()))
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, *_SAFE_PATH, "-m", defrag_copy.__name__, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # What a process that has died did not read is not kept, to fail once more in close.
            bufsize=0,
            # Python looks for modules where it works, too: nobody else writes there.
            cwd=copy,
            # What is relative was meant for another directory, which may be gone by now.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(os.path.isabs, sys.path))},
            # A Ctrl-C is the server's to deal with.
            start_new_session=True,
        )

    def catch_up(self) -> int:
        """
        Let it make a round; return how many bytes it wrote.

        Raises:
            StorageError: If it could not, or is gone.

        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # What it says, or that it says nothing, tells why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"round\n")
        line = self._process.stdout.readline()
        if not line:
            raise StorageError("the process that copies the database has ended")
        reply = json.loads(line)
        if "error" in reply:
            raise StorageError(reply["error"])
        return int(reply["written"])

    def kill(self) -> None:
        """Let a round that is waited for fail. Any thread."""
        self._process.kill()

    def close(self) -> None:
        """Wait until it has closed its files, and is gone. Safe to call twice."""
        with self._process:
            pass  # It ends when there is nothing more to read.
