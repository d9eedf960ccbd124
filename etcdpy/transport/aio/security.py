"""What the owner of a listener says about TLS there: what it is made with, and who is let in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl

__all__ = ["NO_FIELDS", "FixedSecurity", "PeerRefusedError", "Security"]

NO_FIELDS: Mapping[str, object] = MappingProxyType({})


class PeerRefusedError(Exception):
    """
    A client is not let in, though TLS has nothing against it.

    Attributes:
        fields: What is known of its certificate, for the log.

    """

    def __init__(self, message: str, fields: Mapping[str, object] = NO_FIELDS) -> None:
        super().__init__(message)
        self.fields = fields


class Security(Protocol):
    """What a listener's connections are secured by."""

    def context(self) -> ssl.SSLContext:
        """
        Return what the next handshake is made with; called for each.

        Raises:
            PeerRefusedError: There is nothing to make one with.

        """

    def identify(self, session: ssl.SSLObject) -> str | None:
        """
        Return the common name of a client's certificate, or None if that does not say who it is.

        Raises:
            PeerRefusedError: It is not to be let in.

        """

    def rejected(
        self, remote: str, server_name: str, error: str, fields: Mapping[str, object]
    ) -> None:
        """
        Note a connection that was not let in.

        Args:
            remote: Its address, as ``host:port``.
            server_name: Which server it wanted to reach, ``""`` if it did not say.
            error: Why.
            fields: What is known of its certificate.

        """


class FixedSecurity:
    """One context for all, whose clients are whoever they are. What is rejected is not noted."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def context(self) -> ssl.SSLContext:
        return self._context

    def identify(self, session: ssl.SSLObject) -> str | None:
        return None

    def rejected(
        self, remote: str, server_name: str, error: str, fields: Mapping[str, object]
    ) -> None:
        """Do nothing."""
