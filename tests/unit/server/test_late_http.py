"""HTTP's doors are made for whoever asks first, or as soon as gRPC is served."""

from __future__ import annotations

from etcdpy.server.http_doors import HttpDoors
from etcdpy.server.late_http import LateDoors
from etcdpy.transport import Body, HttpHandler, HttpRequest, HttpResponse


class Maker:
    """
    Makes doors, which answer with a status of their own.

    Attributes:
        made: How many it has made.
        stopped: How many of those were stopped.

    """

    def __init__(self) -> None:
        self.made = 0
        self.stopped = 0

    def __call__(self) -> HttpDoors:
        self.made += 1
        return HttpDoors(answering(200), answering(201), v2_locks=self)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.stopped += 1


def answering(status: int) -> HttpHandler:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status)

    return answer


async def ask(handler: HttpHandler) -> int:
    return (await handler(HttpRequest("GET", "/", "here:1", (), Body(), "ipv4:1.1.1.1:1"))).status


async def test_nothing_is_made_before_somebody_asks() -> None:
    maker = Maker()
    doors = LateDoors(maker)
    doors.stop()
    assert (maker.made, maker.stopped) == (0, 0)


async def test_all_requests_are_answered_by_the_same_doors() -> None:
    maker = Maker()
    doors = LateDoors(maker)
    assert [await ask(doors.clients), await ask(doors.metrics)] == [200, 201]
    assert [await ask(doors.clients), await ask(doors.metrics)] == [200, 201]
    assert maker.made == 1


async def test_what_is_prepared_is_there_before_somebody_asks() -> None:
    maker = Maker()
    doors = LateDoors(maker)
    await doors.prepare()
    assert maker.made == 1
    assert await ask(doors.metrics) == 201
    await doors.prepare()
    assert maker.made == 1


async def test_doors_that_were_made_are_stopped() -> None:
    maker = Maker()
    doors = LateDoors(maker)
    await ask(doors.clients)
    doors.stop()
    assert maker.stopped == 1
