"""The servers of a session of tests: one for each set of settings, lent to one test at a time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from etcdpy.testing.etcd import Etcd

__all__ = ["Pool", "settings_of"]

#: Servers that are kept; of more sets of settings the one that was not used for longest goes.
MOST: Final = 8


class Pool:
    """
    Servers that wait for tests.

    Args:
        defaults: Settings of all of them.

    """

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = dict(defaults)
        self._free: OrderedDict[str, Etcd] = OrderedDict()

    @contextmanager
    def lent(self, settings: Mapping[str, Any]) -> Iterator[Etcd]:
        """
        Lend a server that is as new, for the block.

        What is kept in a directory of the test's own is never lent again.

        Raises:
            TypeError: There is no such setting.
            ValueError: One cannot be used.

        """
        settings = {**self._defaults, **settings}
        if "data_dir" in settings or settings.get("port"):
            with Etcd(**settings) as own:
                yield own
            return
        name = repr(sorted(settings.items(), key=lambda item: item[0]))
        server = self._free.pop(name, None)
        if server is None:
            server = Etcd(**settings).start()
        else:
            # Clients that earlier tests have left behind may have come back meanwhile.
            server.renew()
        try:
            yield server
        except BaseException:
            server.stop()
            raise
        try:
            server.reset()
        except BaseException:
            server.stop()
            raise
        self._free[name] = server
        if len(self._free) > MOST:
            self._free.popitem(last=False)[1].stop()

    @contextmanager
    def made(self, settings: Mapping[str, Any]) -> Iterator[Etcd]:
        """Make a server that is nobody else's, for the block."""
        with Etcd(**{**self._defaults, **settings}) as server:
            yield server

    def close(self) -> None:
        """Stop all servers."""
        while self._free:
            self._free.popitem()[1].stop()


def settings_of(lines: Iterable[str]) -> dict[str, Any]:
    """
    Return settings as they stand in an ini file.

    >>> settings_of(["clock = frozen", "tls = true", "max_txn_ops = 12"])
    {'clock': 'frozen', 'tls': True, 'max_txn_ops': 12}

    Raises:
        ValueError: A line is no setting.

    """
    found = {}
    for line in lines:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise ValueError(
                f"the ini option etcd has lines of the form name = value, not {line!r}"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
