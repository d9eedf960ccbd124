"""Who asks something of a node."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Caller", "Internal"]


class Caller(Protocol):
    """
    Who asks, and for how long: what every method of a node is told besides the request.

    A call of a wire is its own caller, so that it costs nothing to have one.
    """

    @property
    def is_trusted(self) -> bool:
        """Whether it may do everything: it is work of the server itself."""

    @property
    def token(self) -> str | None:
        """The token that says who asks, None if it has sent none."""

    @property
    def certificate_name(self) -> str | None:
        """
        The common name of its certificate, ``""`` if that has none.

        None without a certificate, and where certificates do not say who a client is.
        """

    @property
    def method(self) -> str | None:
        """What it has called, such as ``/etcdserverpb.KV/Put``; None if it is no call."""

    @property
    def user_agent(self) -> str | None:
        """What it says of its software, None if it says nothing."""

    def peer(self) -> str:
        """Return its address as gRPC writes it, such as ``ipv4:10.0.0.1:5000``."""

    def time_remaining(self) -> float | None:
        """Return the seconds until it waits no longer, None if it has set no limit."""


class Internal(NamedTuple):
    """
    Work of the server itself, which nobody has to allow.

    Attributes:
        name: What it is, such as ``lease expiry``.

    """

    name: str
    is_trusted: bool = True
    token: str | None = None
    certificate_name: str | None = None
    method: str | None = None
    user_agent: str | None = None

    def peer(self) -> str:
        """Return its name in place of an address."""
        return f"internal:{self.name}"

    def time_remaining(self) -> float | None:
        """Return None: it waits as long as it takes."""
        return None
