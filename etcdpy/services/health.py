"""gRPC's own Health service, which load balancers and Kubernetes' probes ask."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from etcdpy.pb import health_pb2 as pb
from etcdpy.transport import StatusCode, StatusError, endless, inline

#: The name of the server as a whole, the only one that there is. (etcd: v3rpc/health.go)
_SERVER: Final = ""


class HealthService:
    """
    Check, List and Watch.

    A server that can be asked serves: neither alarms nor a defragmentation change that. What an
    operator wants to know of those, Status and Alarm tell.
    """

    @inline
    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:
        """
        Tell that the server serves.

        Raises:
            StatusError: NOT_FOUND for every other name, also those of services that there are.

        """
        if request.service != _SERVER:
            # (grpc-go: health/server.go, Check)
            raise StatusError(StatusCode.NOT_FOUND, "unknown service")
        return _SERVING

    @inline
    async def List(self, request: pb.HealthListRequest, context: Any) -> pb.HealthListResponse:
        """Tell the same of all names that there are."""
        return pb.HealthListResponse(statuses={_SERVER: _SERVING})

    @endless
    async def Watch(self, request: pb.HealthCheckRequest, context: Any) -> None:
        """Tell the same at once, and then nothing until the client goes, as nothing changes."""
        await context.write(_SERVING if request.service == _SERVER else _SERVICE_UNKNOWN)
        await asyncio.get_running_loop().create_future()


_SERVING: Final = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVING)
_SERVICE_UNKNOWN: Final = pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
