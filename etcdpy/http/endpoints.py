"""
What etcd answers beside its API: versions, health, and variables of the process.

(etcd: server/etcdserver/api/etcdhttp, ``version.go``, ``health.go``, ``debug.go``)
"""

from __future__ import annotations

import gc
import json
import logging
import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from etcdpy.cooperative import outcome
from etcdpy.errors import EtcdError
from etcdpy.node.caller import Internal
from etcdpy.node.node import Node
from etcdpy.pb.rpc_pb2 import CORRUPT, NONE, AlarmType, RangeRequest
from etcdpy.services.codes import text_of
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse, plain_text
from etcdpy.version import ETCD_VERSION

__all__ = ["health_endpoints", "process_endpoints", "version_endpoint"]

_logger: Final = logging.getLogger(__name__)

_CALLER: Final = Internal("health check")

#: Returns what is wrong, ``""`` if nothing is.
Check = Callable[[], Awaitable[str]]

Table = Mapping[str, HttpHandler]


def _get_only(handler: HttpHandler) -> HttpHandler:
    """Return a handler that refuses every other method."""

    async def handle(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return await handler(request)
        refused = plain_text(405, b"Method Not Allowed\n")
        return HttpResponse(405, ((b"allow", b"GET"), *refused.headers), refused.body)

    return handle


# -------------------- what runs


def version_endpoint(node: Node) -> Table:
    """Return ``/version``: of the server, the cluster and what is stored."""

    async def version(request: HttpRequest) -> HttpResponse:
        versions = node.parts.versions
        told = {
            "etcdserver": ETCD_VERSION,
            "etcdcluster": versions.cluster,
            "storage": versions.storage,
        }
        return HttpResponse(200, ((b"content-type", b"application/json"),), _compact(told))

    return {"/version": _get_only(version)}


def process_endpoints(command: Sequence[str]) -> Table:
    """
    Return ``/debug/vars``: variables of the process. (Go: ``expvar``)

    Args:
        command: What the process was started with.

    """

    async def variables(request: HttpRequest) -> HttpResponse:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        shown = {
            "cmdline": list(command),
            "file_descriptor_limit": limit,
            "memstats": _memory(),
        }
        lines = ",\n".join(f'"{name}": {_compact(value).decode()}' for name, value in shown.items())
        headers = ((b"content-type", b"application/json; charset=utf-8"),)
        return HttpResponse(200, headers, f"{{\n{lines}\n}}\n".encode())

    return {"/debug/vars": _get_only(variables)}


def _memory() -> dict[str, int]:
    """Return those numbers of Go's ``runtime.MemStats`` that Python has, too."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    collections = [generation["collections"] for generation in gc.get_stats()]
    # The most that was resident, in bytes; collections of all generations.
    return {"Sys": usage.ru_maxrss * 1024, "NumGC": sum(collections), "NumForcedGC": 0}


# -------------------- how it is


def health_endpoints(node: Node) -> Table:
    """Return ``/health``, and ``/livez`` and ``/readyz`` with a path for each of their checks."""
    serializable = partial(_read, node, serializable=True)
    live: dict[str, Check] = {"serializable_read": serializable}
    ready: dict[str, Check] = {
        "data_corruption": partial(_corruption, node),
        "serializable_read": serializable,
        "linearizable_read": partial(_read, node, serializable=False),
        "non_learner": _non_learner,
    }
    table: dict[str, HttpHandler] = {"/health": _get_only(partial(_health, node))}
    for root, checks in (("/livez", live), ("/readyz", ready)):
        table[root] = _get_only(partial(_checked, node, root, checks))
        for name, check in checks.items():
            path = f"{root}/{name}"
            table[path] = _get_only(partial(_checked, node, path, {name: check}))
    return table


async def _health(node: Node, request: HttpRequest) -> HttpResponse:
    query = _query(request)
    excluded = set(query.get("exclude", ()))
    serializable = query.get("serializable", [""])[0] == "true"
    reason = _alarm(node, excluded)
    if not reason and (error := await _read(node, serializable=serializable)):
        reason = f"RANGE ERROR:{error}"
    node.parts.measures.health.note_health(is_good=not reason)
    if not reason:
        headers = ((b"content-type", b"text/plain; charset=utf-8"),)
        return HttpResponse(200, headers, _compact({"health": "true", "reason": ""}))
    body = _compact({"health": "false", "reason": reason})
    fields: dict[str, object] = {"output": body.decode(), "status-code": 503}
    _logger.warning("/health error", fields)
    return plain_text(503, body + b"\n")


def _alarm(node: Node, excluded: set[str]) -> str:
    for alarm in node.parts.alarms.matching(NONE):
        name = AlarmType.Name(alarm.alarm)
        if name not in excluded:
            shown = f"memberID:{alarm.memberID} alarm:{name}"
            _logger.warning("serving /health false due to an alarm", {"alarm": shown})
            return f"ALARM {name}"
    return ""


async def _checked(
    node: Node, path: str, checks: Mapping[str, Check], request: HttpRequest
) -> HttpResponse:
    query = _query(request)
    # What is asked of one check alone is asked in spite of it.
    excluded = set(query.get("exclude", ())) - {""} if path.count("/") == 1 else set()
    lines, failed = [], False
    for name, check in checks.items():
        if name in excluded:
            continue
        problem = await check()
        health = node.parts.measures.health
        health.note_check(path.split("/")[1], name, is_good=not problem)
        failed = failed or bool(problem)
        lines.append(f"[-]{name} failed: {problem}\n" if problem else f"[+]{name} ok\n")
    if unknown := excluded - checks.keys():
        missing = ", ".join(json.dumps(name) for name in sorted(unknown))
        fields: dict[str, object] = {"missing-health-checks": missing}
        _logger.warning("some health checks cannot be excluded", fields)
    shown = "".join(lines)
    if failed:
        fields = {"path": path, "reason": shown, "status-code": 503}
        _logger.error("Health check error", fields)
        return plain_text(503, f"{shown}\n".encode())
    return plain_text(200, f"{shown if 'verbose' in query else ''}ok\n".encode())


async def _corruption(node: Node) -> str:
    return "alarm activated: CORRUPT" if node.parts.alarms.matching(CORRUPT) else ""


async def _non_learner() -> str:
    """One node is never a learner."""
    return ""


async def _read(node: Node, *, serializable: bool) -> str:
    """Read as a client would, and return what went wrong."""
    request = RangeRequest(key=b"a", limit=1, keys_only=True, serializable=serializable)
    try:
        await outcome(node.range(request, _CALLER))
    except EtcdError as error:
        return text_of(error)
    return ""


def _query(request: HttpRequest) -> dict[str, list[str]]:
    """Return what the query string has, names without a value included."""
    return parse_qs(request.path.partition("?")[2], keep_blank_values=True)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
