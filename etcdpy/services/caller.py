"""gRPC calls as callers of a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from etcdpy.memory import Account
from etcdpy.transport import Context

__all__ = ["GrpcCaller", "ReferenceCaller", "token_in"]


class GrpcCaller(Context):
    """
    A call of the native transport, which is its own caller: no object is made for it.

    What is looked for in its headers is so once for all calls that send the same.
    """

    __slots__ = ()

    is_trusted = False

    @property
    def token(self) -> str | None:
        """See ``Caller``."""
        # Fast path (bench: range/100x1): spelled out, as authentication asks it of each call.
        head = self.head
        if head.memo is None:
            head.memo = _Said.of(head.metadata)
        said: _Said = head.memo
        return said.token

    @property
    def method(self) -> str | None:
        """See ``Caller``."""
        return self.head.path

    @property
    def user_agent(self) -> str | None:
        """See ``Caller``."""
        head = self.head
        if head.memo is None:
            head.memo = _Said.of(head.metadata)
        said: _Said = head.memo
        return said.user_agent

    @property
    def certificate_name(self) -> str | None:
        """See ``Caller``."""
        return self.channel.certificate_name

    @property
    def memory(self) -> Account:
        """What is held for its client, of replies: while that is too much nothing is begun."""
        return self.channel.sender.account


class ReferenceCaller:
    """
    A call of grpcio's server.

    Args:
        context: What grpcio gives its handlers; everything else it has is had from here, too.
        method: What was called, which grpcio does not tell.
        has_certificate_name: Whether certificates say who a client is.

    """

    is_trusted = False

    def __init__(
        self, context: Any, method: str | None = None, *, has_certificate_name: bool = False
    ) -> None:
        self._context = context
        self.method = method
        self._has_certificate_name = has_certificate_name
        # grpcio does not tell any more when the call has ended, and who waits for a lock is asked
        # then: its place is taken away.
        self._peer: str = context.peer()

    def peer(self) -> str:
        """See ``Caller``."""
        return self._peer

    @property
    def token(self) -> str | None:
        """See ``Caller``."""
        return token_in(self._context.invocation_metadata())

    @property
    def user_agent(self) -> str | None:
        """See ``Caller``."""
        return _user_agent_in(self._context.invocation_metadata())

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


class _Said(NamedTuple):
    """What a call's headers say of who makes it."""

    token: str | None
    user_agent: str | None

    @classmethod
    def of(cls, metadata: Iterable[tuple[str, str | bytes]]) -> _Said:
        return cls(token_in(metadata), _user_agent_in(metadata))


def _user_agent_in(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    return next((str(value) for key, value in metadata if key == "user-agent"), None)


def token_in(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """
    Return the token that metadata has, None if it has none.

    The first ``token`` counts, even if it is empty, and the first ``authorization`` only if there
    is none: that one is the JSON gateway's. (etcd: ``auth/store.go``, AuthInfoFromCtx)
    """
    found: str | None = None
    for key, value in metadata:
        if key == "token":
            found = str(value)
            break
        if key == "authorization" and found is None:
            found = str(value)
    return found if found is None else found.removeprefix("Bearer ")
