"""Certificates and keys, made once for all processes of a run."""

from __future__ import annotations

import atexit
import os
import shutil
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.fairness.attacks.table import Attack
from tests.support.certificates import Authority, Pair

__all__ = ["client_context", "flags_of", "pair", "papers"]

#: Tells the attacker and the bystander where they are.
_VARIABLE: Final = "ETCDPY_FAIRNESS_PAPERS"

_SECURE: Final = (
    "--listen-client-urls=https://127.0.0.1:0",
    "--advertise-client-urls=https://127.0.0.1:2379",
    "--cert-file={papers}/server.pem",
    "--key-file={papers}/server-key.pem",
)
_CERTIFIED: Final = ("--client-cert-auth", "--trusted-ca-file={papers}/authority.pem")


@cache
def papers() -> Path:
    """
    Return the folder: an authority, ``server``, ``client``, and a ``stranger`` of another one.

    Whoever makes it removes it at exit.
    """
    if given := os.environ.get(_VARIABLE):
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="etcdpy-fairness-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority = Authority.make(folder)
    authority.server()
    authority.server("renewed")
    authority.client("client", file="client")
    Authority.make(folder, "others").client("stranger", file="stranger")
    os.environ[_VARIABLE] = str(folder)
    return folder


def pair(name: str) -> Pair:
    """Return a certificate and its key."""
    return Pair(papers() / f"{name}.pem", papers() / f"{name}-key.pem")


def client_context(*protocols: str, shows: str = "client") -> ssl.SSLContext:
    """Return what a client connects with that trusts anyone; ``shows`` may be ``""``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if shows:
        context.load_cert_chain(*pair(shows))
    return context


def flags_of(attack: Attack) -> tuple[str, ...]:
    """Return the flags of a server that is attacked so."""
    flags = attack.flags
    if attack.is_secure:
        flags = (*flags, *_SECURE)
    if attack.is_certified:
        flags = (*flags, *_CERTIFIED)
    if not any("{papers}" in flag for flag in flags):
        return flags
    return tuple(flag.replace("{papers}", str(papers())) for flag in flags)
