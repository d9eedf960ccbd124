"""Every module has a test module of its own, in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.unit.architecture.source import MODULES, ROOT, Module

TESTS = ROOT / "tests" / "unit"

#: Modules that have none, and why.
WITHOUT: Mapping[str, str] = {
    "auth.identity": "two fields",
    "config.errors": "classes alone; tests of what raises them know their texts",
    "logs.lines": "types alone",
    "pb.pool": "a pool alone; tests/interop/test_descriptor_pools.py is about why",
    "server.lifecycle": "a process as a whole, which all of tests/lifecycle is about",
    "version": "texts alone",
    "__main__": "two calls; tests/lifecycle starts every server by it",
}


def mirror_of(module: Module) -> Path:
    """Return where the tests of a module are."""
    *folders, name = module.name.split(".")
    return TESTS.joinpath(*folders, f"test_{name}.py")


def test_every_module_has_its_tests() -> None:
    missing = [
        f"{module.place} has no {mirror_of(module).relative_to(ROOT)}"
        for module in MODULES.values()
        if not module.is_face and module.name not in WITHOUT and not mirror_of(module).exists()
    ]
    assert missing == []


def test_no_exception_has_outlived_its_reason() -> None:
    assert WITHOUT.keys() <= MODULES.keys()
    assert [name for name in WITHOUT if mirror_of(MODULES[name]).exists()] == []


def test_mirror_is_in_the_folder_of_the_same_name() -> None:
    assert mirror_of(MODULES["clock"]) == TESTS / "test_clock.py"
    assert mirror_of(MODULES["logs.rotation"]) == TESTS / "logs" / "test_rotation.py"
