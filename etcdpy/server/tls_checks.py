"""
What etcd demands of addresses and certificates as it sets up its listeners, in its order.

Nothing listens for peers or metrics here. A command line that etcd refuses for the want of a
certificate is refused all the same: whoever wrote it takes that address for a secure one.
(etcd: ``embed.configurePeerListeners`` and its neighbours, client/pkg/transport)
"""

from __future__ import annotations

import logging
import os

from etcdpy.config import Config, InvalidConfigError, Url, value_of
from etcdpy.server.cipher_suites import CipherSuitesError, check_names

__all__ = [
    "SelfSignedCertError",
    "check_client_listeners",
    "check_metrics_listeners",
    "check_peer_listeners",
    "check_peer_transport",
]

logger = logging.getLogger(__name__)


class SelfSignedCertError(Exception):
    """
    A certificate that the server was to make itself cannot be made.

    Attributes:
        message: etcd's line about it.

    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(reason)
        self.message = message


def check_peer_listeners(config: Config) -> None:
    """
    Log that listening for peers is set up, and refuse what etcd would not listen on.

    Raises:
        InvalidConfigError: With etcd's text.
        SelfSignedCertError: A generated certificate would never be valid.

    """
    urls = value_of(config, "listen-peer-urls")
    logger.info("configuring peer listeners", {"listen-peer-urls": [str(url) for url in urls]})
    try:
        check_names(config.cipher_suites)
    except CipherSuitesError as error:
        raise InvalidConfigError(str(error)) from None
    _check_validity(config, "peer-", "failed to get peer self-signed certs")
    try:
        for url in urls:
            # A unix socket for peers is never wrapped in TLS. (etcd: ``transport.newListener``)
            if url.scheme == "https":
                _check_secure_peer(config, url)
    except InvalidConfigError as error:
        logger.error("creating peer listener failed", {"error": str(error)})
        raise


def check_client_listeners(config: Config) -> None:
    """
    Log that listening for clients is set up, and refuse secure addresses without certificates.

    Raises:
        InvalidConfigError: With etcd's text.
        SelfSignedCertError: A generated certificate would never be valid.

    """
    shared, http_only = config.listen_client_urls, config.listen_client_http_urls
    logger.info(
        "configuring client listeners", {"listen-client-urls": [str(url) for url in shared]}
    )
    _check_validity(config, "", "failed to get client self-signed certs")
    for url in (*shared, *http_only):
        if url.scheme in ("https", "unixs") and not _has_tls(config, ""):
            raise InvalidConfigError(
                "TLS key/cert (--cert-file, --key-file) must be provided for client url "
                f"{url} with HTTPS scheme"
            )
    taken = {_address(url) for url in shared}
    for url in http_only:
        if _address(url) in taken:
            raise InvalidConfigError(
                "cannot bind both --listen-client-urls and --listen-client-http-urls on the "
                f"same url {url}"
            )


def check_peer_transport(config: Config) -> None:
    """
    Refuse certificates that peers could not be called with.

    Raises:
        InvalidConfigError: With etcd's text.

    """
    if _is_given(config, "peer-"):
        _check_pair(config, "peer-")


def check_metrics_listeners(config: Config) -> None:
    """
    Refuse secure addresses for metrics without certificates.

    Raises:
        InvalidConfigError: With etcd's text.

    """
    for url in config.listen_metrics_urls:
        if url.scheme not in ("https", "unixs"):
            continue
        if not _has_tls(config, ""):
            raise InvalidConfigError(
                "client TLS key/cert (--cert-file, --key-file) must be provided for metrics "
                "secure url"
            )
        if url.scheme == "https" and _is_given(config, ""):
            _check_pair(config, "")


def _check_secure_peer(config: Config, url: Url) -> None:
    if _is_given(config, "peer-"):
        _check_pair(config, "peer-")
    elif not value_of(config, "peer-auto-tls"):
        # To etcd a name is the address that it has bound by then.
        address = url.netloc.replace("localhost", "127.0.0.1")
        raise InvalidConfigError(
            f"cannot listen on TLS for {address}: KeyFile and CertFile are not presented"
        )


def _check_validity(config: Config, prefix: str, message: str) -> None:
    """(etcd: ``transport.SelfCert``)"""
    if not value_of(config, f"{prefix}auto-tls") or _is_given(config, prefix):
        return
    if value_of(config, "self-signed-cert-validity") == 0:
        reason = "selfSignedCertValidity is invalid,it should be greater than 0"
        logger.warning("cannot generate cert", {"error": reason})
        raise SelfSignedCertError(message, reason)


def _check_pair(config: Config, prefix: str) -> None:
    """Require both files of a certificate. (etcd: ``TLSInfo.baseConfig``)"""
    cert, key = value_of(config, f"{prefix}cert-file"), value_of(config, f"{prefix}key-file")
    if not cert or not key:
        raise InvalidConfigError(
            f"KeyFile and CertFile must both be present[key: {key}, cert: {cert}]"
        )
    for path in (cert, key):
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise InvalidConfigError(f"open {path}: {reason}") from error


def _is_given(config: Config, prefix: str) -> bool:
    """Whether a certificate is named, or half of one. (etcd: ``TLSInfo.Empty``)"""
    return bool(value_of(config, f"{prefix}cert-file") or value_of(config, f"{prefix}key-file"))


def _has_tls(config: Config, prefix: str) -> bool:
    return _is_given(config, prefix) or bool(value_of(config, f"{prefix}auto-tls"))


def _address(url: Url) -> str:
    return url.socket_path if url.is_unix else url.netloc
