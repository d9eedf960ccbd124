"""Files hold one idea each: none is long, few are tiny."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from tests.unit.architecture.source import GENERATED, MODULES, ROOT

MOST_LINES = 1000
MEDIAN_LINES = 250
FEWEST_LINES = 40

#: Modules that are shorter, and why they are no part of another.
SHORT: Mapping[str, str] = {
    "auth.identity": "what tokens and certificates lead to, and nodes start from",
    "config.flags": "above both tables of settings, and below what reads them",
    "config.nearest": "what a mistake needs, at a command line and in a test suite",
    "config.retention": "one flag's syntax, read by what starts automatic compaction",
    "gostd.sizes": "one format of Go's among others",
    "gostd.platforms": "three words of Go's, which the log and --version share",
    "http.v2.machines": "one path of several, each with a file of its own",
    "node.cluster_ids": "what etcd computes of a cluster; snapshot restore needs it and no node",
    "node.watches": "what a node has of the sessions beside it, which are compiled",
    "pb.pool": "what generated code imports in place of protobuf's own",
    "storage.durable": "one of asyncio's futures, which mypyc cannot compile",
    "testing.cases": "what unittest wants, and nobody else",
    "testing.garbage": "for the plugin and the face of the package, which import nothing else",
    "version": "what is changed at a release, and read by setuptools",
}


def test_no_file_is_long() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("etcdpy", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if not path.name.endswith(GENERATED)
    }
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_most_modules_are_short() -> None:
    assert median(module.lines for module in MODULES.values() if not module.is_face) < MEDIAN_LINES


def test_no_module_is_tiny_without_a_reason() -> None:
    tiny = {
        module.place: module.lines
        for module in MODULES.values()
        if not module.is_face and module.name not in SHORT and module.lines < FEWEST_LINES
    }
    assert tiny == {}


def test_no_exception_has_outlived_its_reason() -> None:
    grown = {name: MODULES[name].lines for name in SHORT if MODULES[name].lines >= FEWEST_LINES}
    assert grown == {}
