"""gRPC calls as callers of a node."""

from __future__ import annotations

from typing import Any

from etcdpy.transport import Context

__all__ = ["GrpcCaller", "ReferenceCaller"]


class GrpcCaller(Context):
    """
    A call of the native transport, which is its own caller: no object is made for it.

    Nobody is known by name while there is neither authentication nor TLS.
    """

    __slots__ = ()

    user = ""
    auth_revision = 0
    certificate_name = ""


class ReferenceCaller:
    """
    A call of grpcio's server.

    Args:
        context: What grpcio gives its handlers; everything else it has is had from here, too.

    """

    user = ""
    auth_revision = 0
    certificate_name = ""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
