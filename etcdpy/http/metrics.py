"""``/metrics``: the figures of the server, in Prometheus' text format."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from etcdpy.clock import stopwatch
from etcdpy.config.gates import Gates
from etcdpy.cooperative import turn
from etcdpy.metrics.calls import call_figures
from etcdpy.metrics.names import FAMILIES, Family
from etcdpy.metrics.node import node_figures
from etcdpy.metrics.process import ProcessFigures
from etcdpy.metrics.text import Samples, page
from etcdpy.node.parts import Parts
from etcdpy.transport import CallCounts, HttpRequest, HttpResponse

__all__ = ["MetricsPage"]

#: What is done between two turns of the loop.
SLICE_SECONDS: Final = 0.0005

#: (client_golang: promhttp/http.go)
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_Figures = Iterator[tuple[str, Samples]]


class MetricsPage:
    """
    Answers requests for the figures, with any method.

    Args:
        parts: Of the node.
        counts: Of the calls.
        gates: Which features are switched on.

    """

    def __init__(self, parts: Parts, counts: CallCounts, gates: Gates) -> None:
        self._gather: tuple[Callable[[], _Figures], ...] = (
            partial(node_figures, parts, gates),
            partial(call_figures, counts),
        )
        self._process: ProcessFigures | None = None
        self._making = asyncio.Lock()

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with all figures there are, as of now, letting others run in between."""
        text = await self.text()
        headers = [(b"content-type", CONTENT_TYPE)]
        if _accepts_gzip(request):
            # On a thread: it takes some milliseconds, and zlib needs no interpreter lock.
            compress = partial(gzip.compress, text, 5)
            text = await asyncio.get_running_loop().run_in_executor(None, compress)
            headers.append((b"content-encoding", b"gzip"))
        return HttpResponse(200, (*headers, (b"content-length", b"%d" % len(text))), text)

    async def text(self) -> bytes:
        """Return the page; one is made at a time, or a slice of each would be in every turn."""
        async with self._making:
            return await self._made()

    async def _made(self) -> bytes:
        if self._process is None:
            loop = asyncio.get_running_loop()
            self._process = await loop.run_in_executor(None, ProcessFigures.load)
        pace = _Pace()
        families: list[tuple[str, Family, Samples]] = []
        for gather in self._gather:
            for name, samples in gather():
                if samples:
                    families.append((name, FAMILIES[name], samples))
                await pace.give_way()
        families += self._process.figures()
        await turn()
        families.sort(key=lambda family: family[0])
        parts = []
        for part in page(families):
            parts.append(part)
            await pace.give_way()
        return "".join(parts).encode()


class _Pace:
    """Lets others run when a slice is over."""

    def __init__(self) -> None:
        self._began = stopwatch()

    async def give_way(self) -> None:
        if stopwatch() - self._began >= SLICE_SECONDS:
            await turn()
            self._began = stopwatch()


def _accepts_gzip(request: HttpRequest) -> bool:
    """Tell whether a client takes gzip. (client_golang: promhttp/http.go, by whole words)"""
    for name, value in request.headers:
        if name == b"accept-encoding":
            for one in value.split(b","):
                coding, _, quality = one.strip().partition(b";")
                if coding.strip() == b"gzip" and quality.strip() not in (b"q=0", b"q=0.0"):
                    return True
    return False
