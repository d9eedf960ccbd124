"""
What ``setup.py`` compiles can be compiled, as far as that can be told without a compiler.

Each rule is one that mypyc has and Python has not: some break only when the module is imported, or
when a line runs.
"""

from __future__ import annotations

import ast
import builtins
import runpy
from collections.abc import Iterator

import pytest

from tests.unit.architecture.source import MODULES, ROOT, Module

SETUP = runpy.run_path(str(ROOT / "setup.py"))
COMPILED = [name.replace("/", ".") for group in SETUP["GROUPS"].values() for name in group]
INTERPRETED = [name.replace("/", ".") for name in SETUP["INTERPRETED"]]

#: What compiled classes may inherit from beside each other and Python's own types.
HARMLESS = {"Any", "Enum", "Generic", "NamedTuple", "Protocol"}

#: Where a generator or a coroutine lets go of the thread.
PAUSES = ast.Await | ast.Yield | ast.YieldFrom | ast.AsyncFor | ast.AsyncWith

#: Generators that are always run to their ends, or closed.
NOT_DROPPED = {
    "mvcc.store.pinned",  # a context manager
    "mvcc.txn.apply_txn",  # a write, which nobody who goes away ends
}


def test_every_module_that_setup_names_is_there_and_named_once() -> None:
    names = COMPILED + INTERPRETED
    assert [name for name in names if name not in MODULES] == []
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_module_has_no_asynchronous_generator(name: str) -> None:
    assert [
        f"{MODULES[name].place}:{function.lineno}"
        for function in ast.walk(MODULES[name].tree)
        if isinstance(function, ast.AsyncFunctionDef) and any(yields(function))
    ] == []


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_generator_ends_no_block_when_it_is_dropped(name: str) -> None:
    # Python has one that is dropped half way run its ``finally``; a compiled one just goes.
    wrong = [
        f"{MODULES[name].place}:{block.lineno}"
        for function in ast.walk(MODULES[name].tree)
        if isinstance(function, ast.FunctionDef) and f"{name}.{function.name}" not in NOT_DROPPED
        for block in ast.walk(function)
        if isinstance(block, ast.With) or (isinstance(block, ast.Try) and block.finalbody)
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(block))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_steps_pause_within_no_handler_and_no_end_of_a_block(name: str) -> None:
    # All others would handle that exception until it goes on, and after ``finally`` for ever.
    wrong = [
        f"{MODULES[name].place}:{node.lineno}"
        for block in ast.walk(MODULES[name].tree)
        if isinstance(block, ast.Try)
        for statement in [*block.handlers, *block.finalbody]
        for node in ast.walk(statement)
        if isinstance(node, PAUSES)
    ]
    assert wrong == []


def test_classes_inherit_within_one_form_alone() -> None:
    # A compiled class is laid out by those it inherits from; one of the other form cannot be.
    compiled = {place(name, node) for name in COMPILED for node in classes(MODULES[name])}
    known = {place(name, node) for name, module in MODULES.items() for node in classes(module)}
    wrong = []
    for name, module in MODULES.items():
        for node in classes(module):
            for base in bases(module, node):
                is_ours = base in known
                if name in COMPILED:
                    plain = base.rpartition(".")[2]
                    is_fine = base in compiled or plain in HARMLESS or hasattr(builtins, plain)
                else:
                    is_fine = not is_ours or base not in compiled
                if not is_fine:
                    wrong.append(f"{module.place}:{node.lineno} {node.name}({base})")
    assert wrong == []


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_class_says_what_of_it_is_constant(name: str) -> None:
    # Said to be Final, or to be the class's own, it is not an attribute of each object.
    wrong = [
        f"{MODULES[name].place}:{item.lineno}"
        for node in classes(MODULES[name])
        for item in node.body
        if isinstance(item, ast.Assign)
        and not any(base.rpartition(".")[2] == "Enum" for base in bases(MODULES[name], node))
        and not all(isinstance(target, ast.Name) and is_plain(target.id) for target in item.targets)
    ]
    assert wrong == []


def is_plain(attribute: str) -> bool:
    """Tell whether what a class assigns is what its objects begin with, or says how they are."""
    return attribute.islower()


def yields(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Iterate over what yields in a function, but not in one that is inside of it."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def classes(module: Module) -> list[ast.ClassDef]:
    """Return the classes of a module."""
    return [node for node in module.tree.body if isinstance(node, ast.ClassDef)]


def place(name: str, node: ast.ClassDef) -> str:
    """Return the full name of a class, from within the package."""
    return f"{name}.{node.name}"


def bases(module: Module, node: ast.ClassDef) -> list[str]:
    """Return the full names of what a class inherits from, without their parameters."""
    own = [other.name for other in classes(module)]
    found = []
    for base in node.bases:
        name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        found.append(f"{module.name}.{name}" if name in own else origin(module, name))
    return found


def origin(module: Module, name: str) -> str:
    """Return the full name of what a module has imported, from where that is itself."""
    for item in ast.walk(module.tree):
        if isinstance(item, ast.ImportFrom) and item.module is not None:
            for alias in item.names:
                if name == (alias.asname or alias.name):
                    source = item.module.removeprefix("etcdpy.")
                    face = MODULES.get(source)
                    if face is not None and face.is_face:
                        return origin(face, alias.name)
                    return f"{source}.{alias.name}"
    return name
