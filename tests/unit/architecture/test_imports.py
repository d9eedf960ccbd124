"""Imports point downwards, between layers and within them, and never in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.unit.architecture.source import MODULES, Import, imports_of

#: The layers, the uppermost first. What a name does not match in full it matches with its first
#: parts, the longest that is here. Those in one row do not import each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("testing",),
    ("server",),
    ("http",),
    ("metrics",),
    ("services",),
    ("concurrency",),
    ("node",),
    ("watch", "lease", "auth", "v2"),
    ("mvcc",),
    ("storage",),
    ("transport",),
    ("transport.aio",),
    ("transport.grpc", "transport.http1"),
    ("transport.http",),
    ("transport.http2",),
    ("transport.limits",),
    ("logs",),
    ("config",),
    ("memory", "tables"),
    ("gostd", "pb", "errors", "cooperative", "counters"),
    ("clock",),
    ("version",),
)

#: What may be at the top of the package besides folders.
TOP = {"", "__main__", "clock", "cooperative", "counters", "errors", "memory", "tables", "version"}

#: What is imported only when it is needed, and why; all else stands at the top of its module.
#: Importing takes a descriptor, so nothing is here that a server can do with none left.
LAZY: Mapping[tuple[str, str], str] = {
    ("__main__", "cli.main"): "garbage is not looked for among what it imports",
    (
        "auth.tokens",
        "auth.jwt_tokens",
    ): "signing is for few, and takes a tenth of a second to import",
    ("cli.main", "cli.audit"): "a server asks no audit log",
    ("cli.main", "cli.completion"): "a server completes nothing",
    ("cli.main", "config.nearest"): "only a mistyped flag needs one",
    ("cli.parser", "cli.hints"): "only a mistyped option needs one",
    ("cli.main", "cli.snapshot"): "a server needs no snapshot commands",
    ("cli.main", "cli.test_server"): "a server is no test's",
    ("cli.main", "server.lifecycle"): "--help and a mistyped flag answer at once",
    ("cli.main", "config.usage"): "only --help and a mistyped flag show it",
    ("cli.snapshot", "cli.snapshot_save"): "grpc takes longer than the other commands run",
    ("cli.snapshot", "storage.snapshot_restore"): "lmdb is needed by this command alone",
    ("cli.snapshot", "storage.snapshot_status"): "needed by this command alone",
    ("cli.snapshot", "server.verification"): "needed by this command alone",
    (
        "server.lifecycle",
        "server.grpcio_tls",
    ): "few want it, and grpcio takes as long to import as all of the transport",
    ("server.transports", "server.grpcio_tls"): "as above",
    ("server.transports", "transport.aio.grpcio"): "as above",
    ("server.small_objects", "server.allocators"): "few servers come to need ctypes",
    ("server.lifecycle", "server.pem"): "few have TLS, and it takes some milliseconds to import",
    ("server.lifecycle", "server.tls"): "as above",
    ("server.tls_info", "server.auto_tls"): "as above",
    ("testing.engine", "server.tls"): "as above",
    ("transport.aio.server", "transport.aio.handshake"): "as above",
    ("server.late_http", "http.gateway"): "gRPC does not wait for HTTP's doors",
    ("server.late_http", "server.http_doors"): "as above",
    ("server.late_http", "transport.aio.http1"): "as above",
    ("transport.aio.server", "transport.aio.http1"): "as above",
    ("testing.generation", "storage.bolt_read"): "few tests begin with a snapshot",
    ("testing.generation", "storage.snapshot_file"): "as above",
    ("testing.generation", "storage.snapshot_restore"): "as above",
    ("testing.engine", "http.gateway"): "few tests ask over HTTP",
    ("testing.engine", "server.http_doors"): "as above",
    ("server.http_doors", "http.pprof.endpoints"): "few want it, and it runs processes",
    ("http.gateway", "http.websocket"): "few want it, and its library takes a tenth of a start",
    ("config.model", "memory"): "asyncio takes as long as all that --version waits for",
    ("config.load", "config.file"): "YAML takes half as long as the server",
    ("node.node", "node.autocompactor"): "few want it",
    ("node.node", "logs.progress"): "few want it",
    ("storage.defrag", "storage.defrag_process"): "few ask for it, and hardly ever",
    ("storage.defrag", "storage.small_copy"): "as above",
    ("node.node", "node.v2"): "v2 is for few, and a tenth of all modules",
    ("node.node", "node.v2_expiry"): "as above",
    ("server.assembly", "concurrency.v2_locks"): "as above",
    ("server.http_doors", "server.v2_door"): "as above",
    ("server.auditing", "logs.audit_file"): "gzip, and what knows dates, for few",
    ("server.verification", "mvcc.check"): "few servers check what they leave behind",
    ("logs.outputs", "logs.rotation"): "gzip, and what knows dates, for few",
    ("testing.engine", "testing.certificates"): "a fifth of what the first test waits for",
    ("testing.settings", "config.nearest"): "only a mistyped setting needs one",
    ("testing.etcd", "testing.process"): "few tests want a server in another process",
    ("testing", "testing.garbage"): "suites without etcd pay for the plugin alone",
    ("testing.plugin", "testing.garbage"): "suites without etcd pay for the plugin alone",
    ("testing.plugin", "testing.pool"): "suites without etcd pay for the plugin alone",
    ("testing.plugin", "testing.report"): "suites without etcd pay for the plugin alone",
}

OURS = [
    found for module in MODULES.values() for found in imports_of(module) if found.is_ours
]  # fmt: skip


def layer_of(name: str) -> tuple[int, str] | None:
    """Return the number of a module's layer and the entry that it belongs to."""
    best: tuple[int, str] | None = None
    for number, row in enumerate(LAYERS):
        for entry in row:
            is_in = name == entry or name.startswith(f"{entry}.")
            if is_in and (best is None or len(entry) > len(best[1])):
                best = number, entry
    return best


def is_climbing(arrow: Import) -> bool:
    """Whether an import leads to a layer above, or to another entry of the same row."""
    above, below = layer_of(arrow.importer), layer_of(arrow.imported)
    assert above is not None, f"{arrow.importer} belongs to no layer"
    assert below is not None, f"{arrow.imported} belongs to no layer"
    return below[0] < above[0] or (below[0] == above[0] and below[1] != above[1])


def circle_in(arrows: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Return a circle, the first module once more at its end, or None if there is none."""
    done: set[str] = set()
    for start in arrows:
        path: list[str] = []
        ahead = [iter([start])]
        while ahead:
            following = next(ahead[-1], None)
            if following is None:
                ahead.pop()
                if path:
                    done.add(path.pop())
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                ahead.append(iter(arrows.get(following, ())))
    return None


def test_no_import_climbs() -> None:
    climbing = [str(arrow) for arrow in OURS if arrow.importer and is_climbing(arrow)]
    assert climbing == []


def test_every_module_has_a_layer() -> None:
    assert [name for name in MODULES if name and layer_of(name) is None] == []


def test_every_layer_is_there() -> None:
    missing = [
        entry
        for row in LAYERS
        for entry in row
        if not any(layer_of(name) == layer_of(entry) for name in MODULES)
    ]
    assert missing == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows: dict[str, set[str]] = {name: set() for name in MODULES}
    for arrow in OURS:
        arrows[arrow.importer].add(arrow.imported)
    circle = circle_in(arrows)
    assert circle is None, " -> ".join(circle)


def test_no_module_imports_itself() -> None:
    assert [str(arrow) for arrow in OURS if arrow.importer == arrow.imported] == []


def test_what_functions_import_is_declared() -> None:
    found = {(arrow.importer, arrow.imported) for arrow in OURS if arrow.in_function}
    assert found == set(LAZY)


def test_top_of_the_package_has_few_modules() -> None:
    packages = {module.name for module in MODULES.values() if module.is_face}
    loose = {name for name in MODULES if "." not in name and name not in packages}
    assert loose | {""} == TOP


def test_circle_is_found_and_named() -> None:
    assert circle_in({"a": ["b", "c"], "b": ["c"], "c": []}) is None
    assert circle_in({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}) == ["a", "b", "c", "a"]
    assert circle_in({"a": ["a"]}) == ["a", "a"]


def test_arrows_between_layers_have_a_direction() -> None:
    def arrow(importer: str, imported: str) -> Import:
        return Import(importer, imported, is_ours=True, line=1, in_function=False)

    assert is_climbing(arrow("mvcc.store", "node.api"))
    assert is_climbing(arrow("watch.hub", "lease.lessor"))
    assert is_climbing(arrow("transport.http2.flow", "transport.grpc.call"))
    assert is_climbing(arrow("transport.grpc.call", "transport"))
    assert not is_climbing(arrow("watch.hub", "watch.stream"))
    assert not is_climbing(arrow("services.kv", "errors"))
