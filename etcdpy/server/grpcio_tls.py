"""TLS for grpcio's server, which can do less of it than the native transport."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import grpc

from etcdpy.server.client_certificates import stamp
from etcdpy.server.listeners import ListenError
from etcdpy.server.pem import UnusableFileError, check_pair
from etcdpy.server.tls_info import TlsInfo

__all__ = ["check_grpcio", "grpcio_credentials"]

logger = logging.getLogger(__name__)


def check_grpcio(info: TlsInfo) -> None:
    """
    Refuse what grpcio cannot do: whoever asks for it cannot do without.

    Raises:
        ListenError: It is named.

    """
    asked = {
        "client-crl-file": bool(info.revoked),
        "client-cert-allowed-hostname": bool(info.allowed_names),
        "cipher-suites": bool(info.suites),
        "tls-min-version": info.least == "TLS1.3",
        "tls-max-version": info.most == "TLS1.2",
        "client-cert-auth without --trusted-ca-file": info.identifies and not info.authorities,
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise ListenError(f"--transport=grpcio does not support --{flag}")


def grpcio_credentials(info: TlsInfo) -> grpc.ServerCredentials:
    """
    Return what secures a port of grpcio's; the pair is read again when it changes.

    Args:
        info: Files that can be used, and nothing that ``check_grpcio`` refuses.

    """
    pair = _Pair(info)
    # Any: the types of grpcio have none of these.
    module: Any = grpc
    credentials: grpc.ServerCredentials = module.dynamic_ssl_server_credentials(
        pair.read(), pair.fetch, info.asks_clients
    )
    return credentials


class _Pair:
    """A certificate and its key, as grpcio asks for them."""

    def __init__(self, info: TlsInfo) -> None:
        self._info = info
        self._stamps = self._look()
        path = info.authorities
        self._authorities = Path(path).read_bytes() if path else None

    def fetch(self) -> Any:
        """Return the pair if it has changed, for the next handshake; None to keep the last one."""
        stamps = self._look()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            # grpcio itself would take anything, and refuse everybody.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            check_pair(self._info.certificate, self._info.key, context)
            return self.read()
        except (UnusableFileError, OSError) as error:
            fields = {"error": str(error), "tls-info": str(self._info)}
            logger.warning("cannot use changed certificate, keeping the last one", fields)
            return None

    def read(self) -> Any:
        """Return the pair that is on disk."""
        key, certificate = (
            Path(path).read_bytes() for path in (self._info.key, self._info.certificate)
        )
        module: Any = grpc
        return module.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=self._authorities
        )

    def _look(self) -> object:
        return stamp(self._info.certificate), stamp(self._info.key)
