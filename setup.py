"""
What pyproject.toml cannot say: with ``ETCDPY_COMPILE=1`` a wheel has its hottest modules compiled.

By default there is nothing to compile, and the wheel is of pure Python. When asked, mypyc makes C
of the modules below, and the system's C compiler makes extensions of that. Their source goes along.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: What is compiled: where the time of a request goes. Each group is one extension, inside which
#: calls are those of C; two of them are compiled side by side.
GROUPS = {
    "etcdpy_store": (
        "mvcc/compare",
        "mvcc/history",
        "mvcc/index",
        "mvcc/keyrange",
        "mvcc/ranges",
        "mvcc/replies",
        "mvcc/revision",
        "mvcc/short_txn",
        "mvcc/slices",
        "mvcc/store",
        "mvcc/txn",
        "mvcc/txn_request",
        "node/admission",
        "node/checks",
        "node/quota",
        "pb/wire",
        "version",  # which tells by itself in which form it runs
    ),
    "etcdpy_transport": (
        "services/caller",
        "transport/grpc/call",
        "transport/grpc/connection",
        "transport/grpc/context",
        "transport/grpc/control",
        "transport/grpc/deadlines",
        "transport/grpc/dispatcher",
        "transport/grpc/messages",
        "transport/grpc/metadata",
        "transport/grpc/open_streams",
        "transport/grpc/outgoing",
        "transport/grpc/request_head",
        "transport/grpc/request_head_cache",
        "transport/grpc/response_head",
        "transport/grpc/sender",
        "transport/grpc/stalls",
        "transport/grpc/tally",
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
    "cooperative": "an asynchronous generator, which mypyc does not know",
    "errors": "one side alone may have the classes of a chain of exceptions: theirs is this one",
    "mvcc/check": "one function under several names in a class, and not hot",
    "mvcc/liveness": "generators inside calls, which would be run to their ends at once",
    "node/kv": "an asynchronous generator, and a base among several of a class",
    "node/writer": "a dataclass that is generic",
    "storage/batch": "a subclass of asyncio.Future, whose attributes are not the class's own",
    "storage/commit": "an attribute that has a name of C's (_thread)",
    "services/kv": "methods that are marked by attributes",
    "services/lease": "methods that are marked by attributes",
    "services/watch": "methods that are marked by attributes",
    "transport/grpc/http_call": "a subclass of an interpreted class with slots",
    "transport/grpc/routes": "functions that are marked by attributes",
    "transport/grpc/states": "classes of numbers (IntEnum), which mypyc does not know",
    "transport/grpc/status": "the same, and errors that interpreted modules inherit from",
    "transport/http2/huffman": "a literal table that gcc does not finish",
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
            opt_level="1",
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
