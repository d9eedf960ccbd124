"""
Which tests cannot be run on compiled modules (setup.py), and why: there they are skipped.

C calls what it was compiled with. So a test is skipped when it puts something in the place of a
compiled function or class or of a number that is Final, which is found out when it does so, and
when it is named below.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from etcdpy.version import IS_COMPILED

_HOLDS_WEAKLY = "refers weakly to an object of a compiled class"
_HELD = "refers weakly to what compiled coroutines have held"
_STANDS_FOR = "has another class stand for a compiled one"
_INHERITS = "inherits from a compiled class"
_COUNTS = "counts calls of Python's"
_NUMBERS = "tells equal numbers apart, which C has no objects for"
_REPLACES = "puts a method of its own into an object of a compiled class"

#: The beginnings of tests' names, and why they are not run on compiled modules.
INTERPRETED_ONLY: dict[str, str] = {
    "tests/lifecycle/test_pprof.py::test_profile_tells": "looks for Python's frames in a profile",
    "tests/package/": "builds and installs what is released, which is not compiled",
    "tests/unit/http/test_gateway.py::test_nothing_of_a_watch_that_has_ended_waits": _HELD,
    "tests/unit/http/test_metrics.py::test_page_of_a_hundred_thousand_keys": _STANDS_FOR,
    "tests/unit/mvcc/test_stalls.py::test_many_long_reads_at_once_share_each_turn": _REPLACES,
    "tests/unit/transport/grpc/test_one_reply_per_request.py::test_answering_at_once": _COUNTS,
    "tests/unit/transport/grpc/test_passing_on.py::test_taking_a_request_takes_few": _COUNTS,
    "tests/unit/transport/grpc/test_budget.py::test_connection_that_is_gone_keeps": _HOLDS_WEAKLY,
    "tests/unit/transport/grpc/test_dispatcher.py::test_calls_are_made_of_the_type": _INHERITS,
    "tests/unit/transport/grpc/test_states.py::test_checked_calls_refuse": _INHERITS,
    "tests/unit/watch/test_hub.py::test_streams_have_the_same_ids": _NUMBERS,
    "tests/unit/watch/test_hub.py::test_ids_that_hardly_anybody_has": _NUMBERS,
}


def skip_what_needs_python(items: list[pytest.Item]) -> None:
    """Mark tests that are named above to be skipped, if modules are compiled."""
    for item in items if IS_COMPILED else ():
        for name, reason in INTERPRETED_ONLY.items():
            if item.nodeid.startswith(name):
                item.add_marker(pytest.mark.skip(reason=f"needs interpreted modules: {reason}"))


@pytest.fixture(name="monkeypatch")
def monkeypatch_compiled() -> Iterator[pytest.MonkeyPatch]:
    """Stand for pytest's own where modules are compiled: skip what C would not see."""
    patch = pytest.MonkeyPatch()
    put = patch.setattr

    def put_or_skip(target: Any, name: Any, *value: Any, **options: Any) -> None:
        owner, attribute = target, name
        if isinstance(target, str):
            path, _, attribute = target.rpartition(".")
            owner = _find(path)
        if _is_unseen(owner, attribute):
            pytest.skip(f"needs interpreted modules: puts {attribute} in the place of C's")
        put(target, name, *value, **options)

    patch.setattr = put_or_skip  # type: ignore[method-assign]
    yield patch
    patch.undo()


def _find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), name)


def _is_unseen(owner: Any, name: str) -> bool:
    if isinstance(owner, ModuleType):
        if not _is_compiled(owner.__name__):
            return False
        value = getattr(owner, name, None)
        return _is_compiled(getattr(value, "__module__", None)) or _is_final(owner, name)
    kind = owner if isinstance(owner, type) else type(owner)
    return _is_compiled(kind.__module__)


def _is_compiled(module: str | None) -> bool:
    """Tell whether a module has been imported that is one of ours, and compiled."""
    if module is None or not module.startswith("etcdpy."):
        return False
    return not (getattr(sys.modules.get(module), "__file__", None) or ".py").endswith(".py")


def _is_final(module: ModuleType, name: str) -> bool:
    """Tell whether a name of a module is a constant, there or where it is imported from."""
    for node in ast.parse(_source(module).read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            # What is no literal is read where it is, but not by its own module's C.
            is_read = not isinstance(getattr(module, name), int | float | str | bytes)
            is_final = ast.unparse(node.annotation).startswith("Final")
            return is_final and (_is_compiled(module.__name__) or not is_read)
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("etcdpy.")
            and name in [alias.asname or alias.name for alias in node.names]
        ):
            return _is_final(importlib.import_module(str(node.module)), name)
    return False


def _source(module: ModuleType) -> Path:
    """Return the file that a module was compiled from, or is."""
    path = Path(str(module.__file__))
    return path.with_name(path.name.partition(".")[0] + ".py")
