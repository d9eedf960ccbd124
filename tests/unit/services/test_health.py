"""The Health service: one name, which serves, and no other."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf import descriptor_pool

from etcdpy.pb import health_pb2 as pb
from etcdpy.services.health import HealthService
from etcdpy.transport import StatusCode, StatusError

SERVING = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING)
#: Nothing is known by these, though a server has two of them as services.
OTHERS = ("etcdserverpb.KV", "grpc.health.v1.Health", "nobody", " ")


class Client:
    """A call that takes what it is sent."""

    def __init__(self) -> None:
        self.got: list[pb.HealthCheckResponse] = []

    async def write(self, response: pb.HealthCheckResponse) -> None:
        self.got.append(response)


async def test_the_server_as_a_whole_serves() -> None:
    service = HealthService()
    assert await service.Check(pb.HealthCheckRequest(), None) == SERVING
    listed = await service.List(pb.HealthListRequest(), None)
    assert dict(listed.statuses) == {"": SERVING}


@pytest.mark.parametrize("name", OTHERS)
async def test_a_check_of_another_name_finds_nothing(name: str) -> None:
    with pytest.raises(StatusError) as refusal:
        await HealthService().Check(pb.HealthCheckRequest(service=name), None)
    assert (refusal.value.code, refusal.value.details) == (StatusCode.NOT_FOUND, "unknown service")


@pytest.mark.parametrize("name", ["", *OTHERS])
async def test_a_watch_tells_once_and_stays_until_its_client_goes(name: str) -> None:
    client = Client()
    watch = asyncio.ensure_future(
        HealthService().Watch(pb.HealthCheckRequest(service=name), client)
    )
    for _ in range(20):
        await asyncio.sleep(0)
    expected = pb.HealthCheckResponse.SERVICE_UNKNOWN if name else pb.HealthCheckResponse.SERVING
    assert [response.status for response in client.got] == [expected]
    assert not watch.done()
    watch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch


def test_the_messages_leave_room_for_those_of_other_libraries() -> None:
    """``grpcio-health-checking`` registers the same names in protobuf's own pool."""
    name = pb.HealthCheckRequest.DESCRIPTOR.full_name
    assert name == "grpc.health.v1.HealthCheckRequest"
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(name)
