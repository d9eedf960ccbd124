"""What the settings say of TLS."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple

from etcdpy.clock import Clock
from etcdpy.config import Config, Url, value_of

__all__ = ["SelfSignError", "TlsInfo", "configure", "is_secured"]

logger = logging.getLogger(__name__)


class SelfSignError(Exception):
    """A certificate cannot be written; the text is Go's."""


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
    # Few want one, and what makes it takes a while to import.
    from etcdpy.server.auto_tls import self_signed

    try:
        made = self_signed(Path(config.data_dir), hosts, years, clock)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise SelfSignError(f"open {error.filename}: {reason}") from error
    # What was to be demanded of clients is lost, as in etcd.
    return TlsInfo(*made, *made, suites=given.suites, least=given.least, most=given.most)
