"""The source of the package, read but not run: its modules and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "etcdpy"

#: How the names end of what a generator makes, so that none of the rules is about it.
GENERATED = ("_pb2.py", "_pb2_grpc.py")


@dataclass(frozen=True)
class Import:
    """
    One module named in an import of another.

    Attributes:
        importer: The module that imports, named from within the package; ``""`` is its face.
        imported: What it imports: for one of ours named likewise, otherwise the full name.
        is_ours: Whether that is a module of the package.
        line: Where.
        in_function: Whether it is done only when a function runs.

    """

    importer: str
    imported: str
    is_ours: bool
    line: int
    in_function: bool

    def __str__(self) -> str:
        return f"{self.importer or 'etcdpy'} -> {self.imported or 'etcdpy'} (line {self.line})"


@dataclass(frozen=True)
class Module:
    """
    One module.

    Attributes:
        name: From within the package, such as ``mvcc.store``; that of a package is its face's.
        path: Its file.

    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_face(self) -> bool:
        """Whether it is the ``__init__`` of a package."""
        return self.path.name == "__init__.py"

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def place(self) -> str:
        """The path from the root of the project."""
        return str(self.path.relative_to(ROOT))


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: Name to module, of everything that was written by hand.
MODULES = {
    _name(path): Module(_name(path), path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if not path.name.endswith(GENERATED)
}


def imports_of(module: Module) -> Iterator[Import]:
    """Yield what a module imports, wherever in it that stands."""
    yield from _imports_in(module, module.tree, in_function=False)


def _imports_in(module: Module, node: ast.AST, *, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for full_name in _targets(module, child):
                yield _import(module, full_name, child.lineno, in_function)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports_in(module, child, in_function=in_function or inside)


def _targets(module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield full names of modules; of ``from a import b`` it is ``a.b`` if that is a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, f"{module.place}:{node.lineno}: imports name modules in full"
    assert node.module is not None
    for alias in node.names:
        full_name = f"{node.module}.{alias.name}"
        yield full_name if _inner(full_name) in MODULES else node.module


def _import(module: Module, full_name: str, line: int, in_function: bool) -> Import:
    inner = _inner(full_name)
    return Import(
        importer=module.name,
        imported=full_name if inner is None else inner,
        is_ours=inner is not None,
        line=line,
        in_function=in_function,
    )


def _inner(full_name: str) -> str | None:
    """Return the name within the package, None for others' modules."""
    if full_name == PACKAGE.name:
        return ""
    start = f"{PACKAGE.name}."
    return full_name.removeprefix(start) if full_name.startswith(start) else None


def package_of(name: str) -> str:
    """Return the first part of a name."""
    return name.partition(".")[0]


def modules_of(*packages: str) -> list[Module]:
    """Return the modules of some packages."""
    return [module for name, module in MODULES.items() if package_of(name) in packages]
