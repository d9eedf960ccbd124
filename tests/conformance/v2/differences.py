"""Where etcdpy answers otherwise than etcd 3.5.1: one table, by the name of the test or case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Why, for what etcd is not compared in.
DIFFERENCES: Final[Mapping[str, str]] = {
    "semicolon": "etcd 3.5.1 was built by a Go that takes a semicolon as a separator; no newer is",
    "ttl of a directory": "etcd 3.5 answers 500 to what is documented, and 3.4 does it",
    "very long ttl": "etcd 3.5 lets it overflow, and some become permanent and some end at once",
    "hidden history": "etcd 3.5 tells of hidden nodes out of the history, and live it does not",
    "removed neighbour": "etcd 3.5 takes /dir for the directory of /dirty, out of the history",
    "stream of the past": "etcd 3.5 sends one event and falls silent",
    "stream of what is removed": "etcd 3.5 tells of it twice",
    "slow stream": "etcd 3.5 falls silent, and never says so",
}
