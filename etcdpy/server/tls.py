"""
What secures the connections of clients: made of what is in files, and of whom they name.

The certificate and its key are read again as soon as they have changed on disk, for the next
handshake. What changes one file at a time is for a moment no pair: the last one that was serves
until there is another. (etcd reads them for each handshake, and refuses those in that moment.)
The authorities are read once, as in etcd.

"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence

from etcdpy.server.cipher_suites import check_http2, openssl_suites
from etcdpy.server.client_certificates import (
    RevocationList,
    Stamp,
    check_names,
    common_name,
    names_of,
    presented,
    stamp,
)
from etcdpy.server.pem import UnusableFileError, authorities, check_pair
from etcdpy.server.tls_info import TlsInfo
from etcdpy.transport import PeerRefusedError

__all__ = ["ServerSecurity"]

logger = logging.getLogger(__name__)

_VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}


class ServerSecurity:
    """
    Secures connections by what is in files. On the event loop's thread alone.

    Args:
        info: Which.
        protocols: What is spoken, the one to prefer first.

    Attributes:
        info: As given.

    Raises:
        UnusableFileError: One of them cannot be used.
        CipherSuitesError: The cipher suites leave none for HTTP/2.

    """

    def __init__(self, info: TlsInfo, protocols: Sequence[str] = ("h2", "http/1.1")) -> None:
        self.info = info
        self._protocols = list(protocols)
        if not info.certificate or not info.key:
            raise UnusableFileError(
                "KeyFile and CertFile must both be present"
                f"[key: {info.key}, cert: {info.certificate}]"
            )
        self._authorities = b""
        self._stamps = self._look()
        # The pair first, whose mistakes etcd finds first.
        self._with_pair()
        self._check_client_pair()
        if info.authorities:
            self._authorities = authorities(info.authorities)
        if info.least != "TLS1.3":
            check_http2(info.suites)
        self._revoked = RevocationList(info.revoked) if info.revoked else None
        self._context = self._make()

    def context(self) -> ssl.SSLContext:
        """Return what the next handshake is made with: the pair that is on disk now."""
        stamps = self._look()
        if stamps != self._stamps:
            # A pair that cannot be used is not tried again until it has changed.
            self._stamps = stamps
            try:
                self._context = self._make()
            except UnusableFileError as error:
                fields = {"error": str(error), "tls-info": str(self.info)}
                logger.warning("cannot use changed certificate, keeping the last one", fields)
            else:
                logger.info("read changed certificate", {"tls-info": str(self.info)})
        return self._context

    def identify(self, session: ssl.SSLObject) -> str | None:
        """
        Return the common name of a client's certificate, None if that does not say who it is.

        Raises:
            PeerRefusedError: It is for no name that is allowed, or is revoked.

        """
        info = self.info
        if not info.asks_clients:
            return None
        certificate = session.getpeercert() or {}
        try:
            if info.allowed_names:
                check_names(certificate, info.allowed_names)
            if self._revoked is not None:
                self._revoked.check(presented(session))
        except PeerRefusedError as error:
            addresses, hosts = names_of(certificate)
            fields = {"ip-addresses": addresses, "dns-names": hosts}
            raise PeerRefusedError(str(error), fields) from None
        return common_name(certificate) if info.identifies else None

    def rejected(
        self, remote: str, server_name: str, error: str, fields: Mapping[str, object]
    ) -> None:
        """Log a connection that was not let in. (etcd: ``embed/config_logging.go``)"""
        first = {"remote-addr": remote, "server-name": server_name}
        logger.warning(
            "rejected connection on client endpoint", {**first, **fields, "error": error}
        )

    def _look(self) -> tuple[Stamp, Stamp]:
        return stamp(self.info.certificate), stamp(self.info.key)

    def _make(self) -> ssl.SSLContext:
        info = self.info
        context = self._with_pair()
        context.minimum_version = _VERSIONS.get(info.least, ssl.TLSVersion.TLSv1_2)
        if info.most:
            context.maximum_version = _VERSIONS[info.most]
        context.set_alpn_protocols(self._protocols)
        # A client that renegotiates has work done for nothing.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # Nor are there tickets: gRPC's clients use none, and each would cost a write, and who
        # comes back with one shows no certificate.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        if info.asks_clients:
            self._demand_certificates(context)
        return context

    def _check_client_pair(self) -> None:
        """Refuse what etcd could not call itself with, though nobody does here."""
        certificate, key = self.info.client_certificate, self.info.client_key
        if bool(certificate) != bool(key):
            raise UnusableFileError(
                "ClientKeyFile and ClientCertFile must both be present or both absent: "
                f"key: {key}, cert: {certificate}]"
            )
        if certificate:
            check_pair(certificate, key, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def _with_pair(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Before the pair: they say how long a key has to be, too.
        context.set_ciphers(openssl_suites(self.info.suites))
        check_pair(self.info.certificate, self.info.key, context)
        return context

    def _demand_certificates(self, context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        # As in Go whatever is in the file is trusted, and not only what has signed itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._authorities:
            context.load_verify_locations(cadata=self._authorities)
        elif not self.info.authorities:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
