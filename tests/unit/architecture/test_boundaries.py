"""What each part of the package knows nothing of."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.unit.architecture.source import MODULES, Module, imports_of, modules_of, package_of

#: All that carry calls, or are about those that do.
EDGE = {"__main__", "cli", "http", "metrics", "server", "services", "testing", "transport"}
BELOW_SERVICES = [module for name, module in MODULES.items() if package_of(name) not in EDGE]

#: The names of a status on the wire, and where they are used.
STATUS = {"StatusCode", "StatusError"}
KNOW_STATUS = {"http", "services", "testing", "transport"}

#: What the transport is made of besides its own parts.
TRANSPORT_MAY_IMPORT = {"clock", "cooperative", "counters", "gostd", "memory", "transport"}


def imported(module: Module) -> set[str]:
    """Return the full names, or those within the package, of what a module imports."""
    return {found.imported for found in imports_of(module)}


def names_in(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each name and attribute in a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name.rpartition(".")[2]


def ids(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("module", modules_of("mvcc", "lease", "v2"), ids=ids)
def test_keys_and_leases_know_no_loop(module: Module) -> None:
    loops = {"asyncio", "concurrent", "uvloop"}
    assert {name for name in imported(module) if package_of(name) in loops} == set()


@pytest.mark.parametrize("module", BELOW_SERVICES, ids=ids)
def test_below_the_services_nobody_knows_the_wire(module: Module) -> None:
    assert {name for name in imported(module) if package_of(name) in ("grpc", "transport")} == set()


@pytest.mark.parametrize(
    "module",
    [module for name, module in MODULES.items() if package_of(name) not in KNOW_STATUS],
    ids=ids,
)
def test_status_of_a_call_is_a_matter_of_the_edge(module: Module) -> None:
    assert [(line, name) for line, name in names_in(module) if name in STATUS] == []


@pytest.mark.parametrize("module", modules_of("services"), ids=ids)
def test_no_service_holds_a_store(module: Module) -> None:
    held = [(line, name) for line, name in names_in(module) if name in ("Store", "store", "_store")]
    assert held == []
    assert {name for name in imported(module) if package_of(name) == "storage"} == set()


@pytest.mark.parametrize("module", modules_of("transport"), ids=ids)
def test_transport_knows_nothing_of_etcd(module: Module) -> None:
    others = {
        found.imported
        for found in imports_of(module)
        if found.is_ours and package_of(found.imported) not in TRANSPORT_MAY_IMPORT
    }
    assert others == set()
