"""
What pyproject.toml cannot say: with ``ETCDPY_COMPILE=1`` a wheel has its hottest modules compiled.

By default there is nothing to compile, and the wheel is of pure Python. When asked, mypyc makes C
of the modules below, and the system's C compiler makes extensions of that. Their source goes along.
``ETCDPY_OPTIMIZE=0`` has that compiler take half of the time, for who only wants to test them.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: What is compiled: where the time of a request goes. Each group is one extension, inside which
#: calls are those of C; they are compiled side by side.
GROUPS = {
    "etcdpy_node": (
        "counters",
        "memory",
        "node/admission",
        "node/alarms",
        "node/at_once",
        "node/checks",
        "node/quota",
        "node/watch_session",
        "storage/batch",
        "storage/commit",
        "storage/journal",
        "storage/record",
        "storage/view",
        "watch/backlog",
        "watch/body",
        "watch/coalescer",
        "watch/events",
        "watch/hub",
        "watch/intervals",
        "watch/matcher",
        "watch/notifier",
        "watch/output",
        "watch/reading",
        "watch/scan",
        "watch/stream",
        "watch/syncer",
        "watch/watcher",
    ),
    "etcdpy_store": (
        "mvcc/attachments",
        "mvcc/columns",
        "mvcc/compare",
        "mvcc/history",
        "mvcc/index",
        "mvcc/keyrange",
        "mvcc/plain_txn",
        "mvcc/ranges",
        "mvcc/replies",
        "mvcc/revision",
        "mvcc/reply_size",
        "mvcc/rows",
        "mvcc/short_txn",
        "mvcc/slices",
        "mvcc/store",
        "mvcc/txn",
        "mvcc/txn_plan",
        "mvcc/txn_request",
        "mvcc/within",
        "pb/wire",
        "version",  # which tells by itself in which form it runs
    ),
    "etcdpy_transport": (
        "services/caller",
        "transport/aio/patience",
        "transport/aio/protocol",
        "transport/aio/turns",
        "transport/grpc/call",
        "transport/grpc/connection",
        "transport/grpc/context",
        "transport/grpc/control",
        "transport/grpc/deadlines",
        "transport/grpc/dispatcher",
        "transport/grpc/endings",
        "transport/grpc/messages",
        "transport/grpc/metadata",
        "transport/grpc/open_streams",
        "transport/grpc/outgoing",
        "transport/grpc/request_blocks",
        "transport/grpc/request_head",
        "transport/grpc/request_head_cache",
        "transport/grpc/response_head",
        "transport/grpc/sender",
        "transport/grpc/stalls",
        "transport/grpc/tally",
        "transport/grpc/task_handlers",
        "transport/http2/abuse",
        "transport/http2/blocks",
        "transport/http2/faults",
        "transport/http2/flow",
        "transport/http2/frames",
        "transport/http2/goaway",
        "transport/http2/header_room",
        "transport/http2/hpack",
        "transport/http2/hpack_pieces",
        "transport/http2/hpack_static",
        "transport/http2/keepalive",
        "transport/http2/settings",
    ),
}

#: What stays interpreted beside them, and why. What is not named here is not hot.
INTERPRETED = {
    "clock": "a clock of a test's inherits from it",
    "cooperative": "an asynchronous generator; and what is dropped half way has to end its blocks",
    "errors": "one side alone may have the classes of a chain of exceptions: theirs is this one",
    "lease/lessor": "two assignments, which gain nothing",
    "mvcc/check": "one function under several names in a class, and not hot",
    "mvcc/liveness": "generators inside calls, which would be run to their ends at once",
    "node/kv": "generators that are dropped half way, and a base among several of a class",
    "node/writer": "a class that is generic over what a future returns, and not hot",
    "storage/checkpoint": "numbers that tests put others in the place of, and not hot",
    "storage/durable": "a subclass of asyncio.Future, whose attributes are not the class's own",
    "services/kv": "methods that are marked by attributes",
    "services/lease": "methods that are marked by attributes",
    "services/watch": "methods that are marked by attributes",
    "transport/grpc/http_call": "a subclass of an interpreted class with slots",
    "transport/grpc/long_responses": "waits where blocks end, and not hot",
    "transport/grpc/routes": "functions that are marked by attributes",
    "transport/grpc/states": "classes of numbers (IntEnum), which mypyc does not know",
    "transport/grpc/status": "the same, and errors that interpreted modules inherit from",
    "transport/http2/huffman": "a literal table that gcc does not finish",
    "watch/states": "classes of numbers, too",
}

#: For a build by itself (``python -m build``); without isolation they are those of the lock.
NEEDED = ["mypy[mypyc]==2.4.1", "types-protobuf==7.35.1.20260906"]


class BuildCompiled(build_ext):
    """Makes C of the modules when extensions are about to be built, not for each question."""

    def finalize_options(self) -> None:
        """Put the true extensions where one stands for them."""
        from mypyc.build import mypycify

        groups: list[tuple[list[str], str | None]] = [
            ([f"etcdpy/{module}.py" for module in modules], name)
            for name, modules in GROUPS.items()
        ]
        # No settings of the working copy: what mypy says of these modules is asked by `make types`.
        options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        self.distribution.ext_modules = mypycify(
            [*options, *(path for paths, _ in groups for path in paths)],
            opt_level=os.environ.get("ETCDPY_OPTIMIZE", "1"),
            debug_level="0",
            separate=groups,
        )
        self.parallel = len(groups)
        super().finalize_options()


def _compiled() -> dict[str, Any]:
    if find_spec("mypyc") is None:
        # Whoever builds asks for this first, and calls again when it is there.
        return {"setup_requires": NEEDED}
    # Taken for what it stands for until then: the wheel is of this platform.
    return {
        "ext_modules": [Extension("etcdpy.compiled", [])],
        "cmdclass": {"build_ext": BuildCompiled},
    }


if __name__ == "__main__":
    setup(**(_compiled() if os.environ.get("ETCDPY_COMPILE") == "1" else {}))
