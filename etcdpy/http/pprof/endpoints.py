"""
Who is answered under ``/debug/pprof/``, and with what.

etcd has Go's net/http/pprof there. The paths that make sense in Python have its names; what they
answer is for people, and for the tools that Python's users have.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

from etcdpy.clock import Clock
from etcdpy.http.pprof import stacks
from etcdpy.http.pprof.heap import heap
from etcdpy.http.pprof.page import index_page
from etcdpy.http.pprof.profile import FORMATS, MOST_SECONDS, ProfileError, Profiler
from etcdpy.http.router import redirect
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse, plain_text

__all__ = ["Pprof", "is_local", "open_pprof"]

ROOT: Final = "/debug/pprof/"

#: (Go: net/http/pprof, ``Profile``)
DEFAULT_SECONDS: Final = 30

#: What a proxy tells of whom it asks for (RFC 7239, and what was there before it).
_FORWARDED: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))

_REMOTE: Final = b"""pprof answers on this machine alone, unless --pprof-allow-remote is set
"""

Query = Mapping[str, list[str]]


class Pprof:
    """
    Answers requests for paths under ``/debug/pprof/``.

    Args:
        profiler: Takes profiles.
        allow_remote: Whether clients on other machines are answered, too.

    """

    def __init__(self, profiler: Profiler, *, allow_remote: bool = False) -> None:
        self._profiler = profiler
        self._allow_remote = allow_remote
        self._pages: dict[str, Callable[[Query], Awaitable[HttpResponse]]] = {
            "": self._index,
            "profile": self._profile,
            "goroutine": self._goroutine,
            "tasks": self._tasks,
            "threads": self._threads,
            "heap": self._heap,
            "cmdline": self._cmdline,
        }

    @property
    def trees(self) -> Mapping[str, HttpHandler]:
        """What it answers, by the beginning of paths."""
        return {ROOT: self.handle}

    @property
    def table(self) -> Mapping[str, HttpHandler]:
        """What it answers, by path."""
        return {ROOT[:-1]: self._to_root}

    def stop(self) -> None:
        """Let a profile that is under way end now."""
        self._profiler.stop()

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, with any method."""
        if not (self._allow_remote or is_local(request)):
            return plain_text(403, _REMOTE)
        path, _, query = request.path.partition("?")
        answer = self._pages.get(path.removeprefix(ROOT))
        if answer is None:
            return plain_text(404, b"Unknown profile\n")
        return await answer(parse_qs(query))

    async def _to_root(self, request: HttpRequest) -> HttpResponse:
        _, mark, query = request.path.partition("?")
        return redirect(request, ROOT, mark + query)

    # -------------------- pages

    async def _index(self, query: Query) -> HttpResponse:
        counts = {"threads": len(stacks.threads()), "tasks": len(await stacks.tasks())}
        headers = ((b"content-type", b"text/html; charset=utf-8"), _NOSNIFF)
        return HttpResponse(200, headers, index_page(counts, MOST_SECONDS).encode())

    async def _profile(self, query: Query) -> HttpResponse:
        name = query.get("format", ["collapsed"])[0]
        form = FORMATS.get(name)
        if form is None:
            return plain_text(400, f"format is one of {', '.join(FORMATS)}\n".encode())
        seconds = _seconds(query)
        if seconds > MOST_SECONDS:
            return plain_text(400, b"a profile takes %d seconds at most\n" % MOST_SECONDS)
        try:
            profile = await self._profiler.take(seconds, form)
        except ProfileError as error:
            hint = "; pip install 'etcdpy[pprof]'" if error.is_missing else ""
            return plain_text(501 if error.is_missing else 500, f"{error}{hint}\n".encode())
        return HttpResponse(200, ((b"content-type", form.content_type), _NOSNIFF), profile)

    async def _goroutine(self, query: Query) -> HttpResponse:
        """Tasks are what goroutines are to Go, and threads are not far from it."""
        return await _dump([*stacks.threads(), *await stacks.tasks()], query)

    async def _tasks(self, query: Query) -> HttpResponse:
        return await _dump(await stacks.tasks(), query)

    async def _threads(self, query: Query) -> HttpResponse:
        return await _dump(stacks.threads(), query)

    async def _heap(self, query: Query) -> HttpResponse:
        return plain_text(200, (await heap()).encode())

    async def _cmdline(self, query: Query) -> HttpResponse:
        return plain_text(200, "\0".join(sys.orig_argv).encode("utf-8", "surrogateescape"))


def open_pprof(clock: Clock, *, allow_remote: bool) -> Pprof:
    """Return what answers for this process, with py-spy."""
    return Pprof(Profiler(clock), allow_remote=allow_remote)


_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")


async def _dump(all_of_them: list[stacks.Stack], query: Query) -> HttpResponse:
    """Answer with stacks, all of them with ``debug=2``, else those that are alike together."""
    wants_all = query.get("debug", [""])[0] == "2"
    text = await (stacks.listed if wants_all else stacks.grouped)(all_of_them)
    number = sum(stack.kind == "thread" for stack in all_of_them)
    total = f"threads: {number}, tasks: {len(all_of_them) - number}\n\n"
    return plain_text(200, (total + text).encode())


def _seconds(query: Query) -> int:
    """Return for how long to look; what is no such number is the default, as in Go."""
    text = query.get("seconds", [""])[0]
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return seconds or DEFAULT_SECONDS


def is_local(request: HttpRequest) -> bool:
    """
    Tell whether a client is on this machine: at a loopback address, or a unix socket.

    One that is told of by a proxy is not, wherever the proxy is.
    """
    if any(name in _FORWARDED for name, _ in request.headers):
        return False
    kind, _, rest = request.peer.partition(":")
    if kind == "unix":
        return True
    try:
        address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
