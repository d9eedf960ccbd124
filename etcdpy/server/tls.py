"""
From the settings about TLS to what secures the connections of clients.

The certificate and its key are read again as soon as they have changed on disk, for the next
handshake. What changes one file at a time is for a moment no pair: the last one that was serves
until there is another. (etcd reads them for each handshake, and refuses those in that moment.)
The authorities are read once, as in etcd.

"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from etcdpy.clock import Clock
from etcdpy.config import Config, Url, value_of
from etcdpy.server.auto_tls import self_signed
from etcdpy.server.cipher_suites import (
    check_http2,
    openssl_suites,
)
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
from etcdpy.transport import PeerRefusedError

__all__ = ["ServerSecurity", "TlsInfo", "configure", "is_secured"]

logger = logging.getLogger(__name__)

_VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}


class TlsInfo(NamedTuple):
    """
    What clients' connections are to be secured by. (etcd: ``transport.TLSInfo``)

    Attributes:
        certificate: A file, ``""`` for none, like the next four.
        key: Of the certificate.
        client_certificate: What etcd would show to itself.
        client_key: Of that one.
        authorities: Whose certificates clients have to show.
        revoked: Which of them are not to be trusted any more.
        identifies: Whether the name in a certificate says who a client is; then one is required.
        allowed_names: What a client's certificate has to be for, if anything.
        suites: Go's names of cipher suites; empty for the usual ones.
        least: The least version of TLS, ``""`` for the usual one.
        most: The greatest.

    """

    certificate: str = ""
    key: str = ""
    client_certificate: str = ""
    client_key: str = ""
    authorities: str = ""
    revoked: str = ""
    identifies: bool = False
    allowed_names: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    least: str = ""
    most: str = ""

    def __str__(self) -> str:
        """Return what etcd logs of it."""
        return (
            f"cert = {self.certificate}, key = {self.key}, "
            f"client-cert={self.client_certificate}, client-key={self.client_key}, "
            f"trusted-ca = {self.authorities}, "
            f"client-cert-auth = {'true' if self.identifies else 'false'}, "
            f"crl-file = {self.revoked}"
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to secure a connection by. (etcd: ``TLSInfo.Empty``)"""
        return not self.certificate and not self.key

    @property
    def asks_clients(self) -> bool:
        """Whether clients have to show a certificate."""
        return self.identifies or bool(self.authorities)


def is_secured(url: Url) -> bool:
    """Tell whether what listens at a URL speaks TLS."""
    return url.scheme in ("https", "unixs")


def configure(config: Config, clock: Clock) -> TlsInfo:
    """
    Return what the settings say of TLS, making a certificate if they ask for one.

    (etcd: ``embed.configureClientListeners``, behind what ``tls_checks`` has of it)

    Raises:
        SelfSignError: A certificate cannot be made.

    """
    given = TlsInfo(
        certificate=config.cert_file,
        key=config.key_file,
        client_certificate=value_of(config, "client-cert-file"),
        client_key=value_of(config, "client-key-file"),
        authorities=config.trusted_ca_file,
        revoked=config.client_crl_file,
        identifies=config.client_cert_auth,
        allowed_names=config.client_cert_allowed_hostname,
        suites=config.cipher_suites,
        least=config.tls_min_version,
        most=config.tls_max_version,
    )
    if not config.auto_tls:
        return given
    if not given.is_empty:
        logger.warning("ignoring client auto TLS since certs given")
        return given
    hosts = ["" if url.is_unix else url.host_port[0] for url in config.listen_client_urls]
    years = config.self_signed_cert_validity
    made = self_signed(Path(config.data_dir), hosts, years, clock)
    # What was to be demanded of clients is lost, as in etcd.
    return TlsInfo(*made, *made, suites=given.suites, least=given.least, most=given.most)


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
