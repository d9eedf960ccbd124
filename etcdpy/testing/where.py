"""Where a test's server is, as it says once it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from etcdpy.testing.settings import Settings

__all__ = ["Certificates", "Where"]


class Certificates(NamedTuple):
    """
    Paths of certificates and their keys, in PEM.

    Attributes:
        ca: The authority's certificate, which clients trust.
        server_cert: The server's, for ``localhost`` and ``127.0.0.1``.
        server_key: Its key.
        client_cert: A client's, whose common name is ``root``.
        client_key: Its key.

    """

    ca: str
    server_cert: str
    server_key: str
    client_cert: str
    client_key: str

    def flags(self, settings: Settings) -> dict[str, str]:
        """Return the flags by which a server uses them."""
        flags = {"cert-file": self.server_cert, "key-file": self.server_key}
        if settings.client_certificates:
            flags |= {"trusted-ca-file": self.ca, "client-cert-auth": "true"}
        return flags


class Where(NamedTuple):
    """
    The addresses of a server.

    Attributes:
        host: Always ``127.0.0.1``.
        port: Its port.
        unix_socket: The path of its socket.
        certificates: Of TLS; None without.

    """

    host: str
    port: int
    unix_socket: str
    certificates: Certificates | None = None

    def described(self) -> dict[str, Any]:
        """Return it as an object of JSON; ``of`` makes the same of that."""
        described: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "unix_socket": self.unix_socket,
        }
        described["endpoint"] = f"{self.host}:{self.port}"
        scheme = "http" if self.certificates is None else "https"
        described["url"] = f"{scheme}://{self.host}:{self.port}"
        if self.certificates is not None:
            described["tls"] = self.certificates._asdict()
        return described

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Where:
        """Return what ``described`` has made an object of."""
        tls = described.get("tls")
        certificates = None if tls is None else Certificates(**tls)
        return cls(described["host"], described["port"], described["unix_socket"], certificates)
