"""gRPC calls as callers of a node."""

from __future__ import annotations

from typing import Any

from etcdpy.transport import Context

__all__ = ["GrpcCaller", "ReferenceCaller"]


class GrpcCaller(Context):
    """
    A call of the native transport, which is its own caller: no object is made for it.

    Nobody is known by name while there is no authentication.
    """

    __slots__ = ()

    user = ""
    auth_revision = 0

    @property
    def certificate_name(self) -> str | None:
        """See ``Caller``."""
        return self.channel.certificate_name


class ReferenceCaller:
    """
    A call of grpcio's server.

    Args:
        context: What grpcio gives its handlers; everything else it has is had from here, too.
        has_certificate_name: Whether certificates say who a client is.

    """

    user = ""
    auth_revision = 0

    def __init__(self, context: Any, has_certificate_name: bool = False) -> None:
        self._context = context
        self._has_certificate_name = has_certificate_name

    @property
    def certificate_name(self) -> str | None:
        """See ``Caller``."""
        if not self._has_certificate_name:
            return None
        shown = self._context.auth_context()
        # Without a certificate gRPC has nothing of the kind, not even the whole of it.
        if "x509_pem_cert" not in shown:
            return None
        return b"".join(shown.get("x509_common_name", ())).decode(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
