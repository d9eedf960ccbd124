"""The figures of calls: those of go-grpc-middleware, and what etcd counts beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from etcdpy.metrics.text import Samples, histogram, sample_name
from etcdpy.transport import CallCounts, MethodCounts

__all__ = ["CODES", "call_figures"]

#: The names of gRPC's codes, by their numbers. (grpc-go: codes/code_string.go)
CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)

_BY_NAME = sorted(range(len(CODES)), key=CODES.__getitem__)

#: Services whose methods are told of before they are called. Locks and elections etcd serves
#: later than it asks which methods there are. (etcd: v3rpc/grpc.go, Server)
_KNOWN_AT_ONCE = ("etcdserverpb.", "grpc.health.")


def call_figures(counts: CallCounts) -> Iterator[tuple[str, Samples]]:
    """Yield the figures of calls, by their names."""
    shown = sorted(
        (method for method in counts.methods.values() if method.started or _is_known(method)),
        key=lambda method: (method.name, method.service),
    )
    labels = [_labels(method) for method in shown]
    rows = list(zip(shown, labels, strict=True))
    for name, values in (
        ("started", [method.started for method in shown]),
        ("msg_received", [method.read for method in shown]),
        ("msg_sent", [method.written for method in shown]),
    ):
        name = f"grpc_server_{name}_total"
        yield (
            name,
            [(sample_name(name, text), value) for text, value in zip(labels, values, strict=True)],
        )
    name = "grpc_server_handled_total"
    handled = [(_handled_names(method), method.handled, _is_known(method)) for method in shown]
    yield (
        name,
        [
            (names[code], ended[code])
            for code in _BY_NAME
            for names, ended, is_known in handled
            if is_known or ended[code]
        ],
    )
    if counts.is_timed:
        name = "grpc_server_handling_seconds"
        timed = [(method.handling, text) for method, text in rows]
        yield (
            name,
            [
                sample
                for values_of, text in timed
                if values_of is not None
                for sample in histogram(name, values_of, text)
            ],
        )
    yield from _of_clients(counts)


def _is_known(method: MethodCounts) -> bool:
    return method.service.startswith(_KNOWN_AT_ONCE)


def _handled_names(method: MethodCounts) -> tuple[str, ...]:
    return _names_by_code(method.name, method.service, method.kind)


@lru_cache(maxsize=256)
def _names_by_code(method: str, service: str, kind: str) -> tuple[str, ...]:
    """Return the names of samples of a method, by code: most of a page are these."""
    labels = {"grpc_method": method, "grpc_service": service, "grpc_type": kind}
    return tuple(
        sample_name("grpc_server_handled_total", {"grpc_code": code, **labels}) for code in CODES
    )


def _of_clients(counts: CallCounts) -> Iterator[tuple[str, Samples]]:
    tallies = [
        (version, tally)
        for method in counts.methods.values()
        for version, tally in method.by_version.items()
    ]
    requests: Counter[tuple[str, str]] = Counter()
    for version, tally in tallies:
        kind = "unary" if tally.method.kind == "unary" else "stream"
        requests[version, kind] += tally.started
    name = "etcd_server_client_requests_total"
    yield (
        name,
        [
            (sample_name(name, {"client_api_version": version, "type": kind}), number)
            for (version, kind), number in sorted(requests.items())
            if number
        ],
    )
    name = "etcd_network_client_grpc_received_bytes_total"
    yield name, [(name, sum(tally.received for _, tally in tallies))]
    name = "etcd_network_client_grpc_sent_bytes_total"
    yield name, [(name, sum(tally.sent for _, tally in tallies))]


def _labels(method: MethodCounts) -> dict[str, str]:
    return {
        "grpc_method": method.name,
        "grpc_service": method.service,
        "grpc_type": method.kind,
    }
