"""Handshakes beside a real etcd: who is let in, and what is logged of the others."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.differences import HANDSHAKE_WORDS, version_of
from tests.conformance.peers import Peer
from tests.support.certificates import Authority, Pair
from tests.support.servers import Server, etcdpy_server, reference_etcd

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
SETTINGS_TYPE = 4
REJECTED = "rejected connection on client endpoint"
PATIENCE = 60.0

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@dataclass(frozen=True)
class Hand:
    """
    How a client reaches out.

    Attributes:
        raw: What it sends instead of a hello.
        certificate: Which certificate it shows, if it is asked.
        protocols: What it would speak.
        least: The least version of TLS that it speaks.
        most: The greatest.
        suites: OpenSSL's list of the suites that it knows.
        name: Which server it wants to reach.
        trusts: Whether it trusts the server.

    """

    raw: bytes = b""
    certificate: str = ""
    protocols: Sequence[str] = ("h2",)
    least: ssl.TLSVersion = TLS_1_2
    most: ssl.TLSVersion = TLS_1_3
    suites: str = ""
    name: str | None = "localhost"


ASKING = ("--trusted-ca-file={authority}",)
IDENTIFYING = (*ASKING, "--client-cert-auth")
ALLOWING = (*ASKING, "--client-cert-allowed-hostname=b.example,x.w.example,10.0.0.9")
REVOKING = (*ASKING, "--client-crl-file={revoked}")

#: What each listens with, and who comes.
CASES: dict[str, tuple[Sequence[str], Hand]] = {
    "anybody": ((), Hand()),
    "certificate that nobody asked for": ((), Hand(certificate="alice")),
    "no name of a server": ((), Hand(name=None)),
    "another name": ((), Hand(name="other.example")),
    "version 1.2": ((), Hand(most=TLS_1_2)),
    "more protocols": ((), Hand(protocols=("foo", "http/1.1", "h2"))),
    "unknown protocols": ((), Hand(protocols=("foo", "bar"))),
    "no suite in common": ((), Hand(most=TLS_1_2, suites="ECDHE-RSA-AES256-GCM-SHA384")),
    "HTTP/1.1 in the clear": ((), Hand(raw=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
    "HTTP/2 in the clear": ((), Hand(raw=PREFACE)),
    "oversized record": ((), Hand(raw=b"\x16\x03\x01\xff\xffxx")),
    "version too old": (("--tls-min-version=TLS1.3",), Hand(most=TLS_1_2)),
    "version too new": (("--tls-max-version=TLS1.2",), Hand(least=TLS_1_3)),
    "certificate": (ASKING, Hand(certificate="alice")),
    "no certificate": (ASKING, Hand()),
    "no certificate by version 1.2": (ASKING, Hand(most=TLS_1_2)),
    "certificate of another authority": (ASKING, Hand(certificate="mallory")),
    "expired certificate": (ASKING, Hand(certificate="late")),
    "identity": (IDENTIFYING, Hand(certificate="alice")),
    "identity without a name": (IDENTIFYING, Hand(certificate="nameless")),
    "no identity": (IDENTIFYING, Hand()),
    "authorities of the system": (("--client-cert-auth",), Hand(certificate="alice")),
    "empty file of authorities": (
        ("--trusted-ca-file={empty}",),
        Hand(certificate="alice"),
    ),
    "allowed name": (ALLOWING, Hand(certificate="named")),
    "allowed address": (ALLOWING, Hand(certificate="addressed")),
    "name that is not allowed": (ALLOWING, Hand(certificate="misnamed")),
    "no name": (ALLOWING, Hand(certificate="alice")),
    "not revoked": (REVOKING, Hand(certificate="alice")),
    "revoked": (REVOKING, Hand(certificate="bad")),
    "revoked by version 1.2": (REVOKING, Hand(certificate="bad", most=TLS_1_2)),
    "list of revoked that is missing": (
        (*ASKING, "--client-crl-file=/none"),
        Hand(certificate="named"),
    ),
    "list of revoked in PEM": (
        (*ASKING, "--client-crl-file={authority}"),
        Hand(certificate="alice"),
    ),
    "list of revoked while nobody is asked": (("--client-crl-file=/none",), Hand()),
}

#: Versions of TLS that can be chosen came with 3.5.5, and lists of names with 3.6.
FLAGS_SINCE = (3, 6)


class Certificates:
    """Everybody's."""

    def __init__(self, folder: Path) -> None:
        authority = self.authority = Authority.make(folder)
        self.server = authority.server()
        self.clients: dict[str, Pair] = {
            "alice": authority.client("alice"),
            "nameless": authority.client(None, file="nameless"),
            "late": authority.client("late", days=-2),
            "bad": authority.client("bad", ["a.example"]),
            "named": authority.client("named", ["a.example", "*.w.example"]),
            "addressed": authority.client("addressed", ["10.0.0.9"]),
            "misnamed": authority.client("misnamed", ["x.example", "10.0.0.1"]),
            "mallory": Authority.make(folder / "other", "other").client("mallory"),
        }
        empty = folder / "empty.pem"
        empty.write_text("")
        self.files = {
            "authority": authority.path,
            "empty": empty,
            "revoked": authority.revoke(self.clients["bad"].serial),
        }

    def flags(self, flags: Sequence[str]) -> list[str]:
        return [
            f"--cert-file={self.server.certificate}",
            f"--key-file={self.server.key}",
            "--listen-client-urls=https://127.0.0.1:0",
            "--advertise-client-urls=https://127.0.0.1:2379",
            *(flag.format(**self.files) for flag in flags),
        ]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


class Servers:
    """etcdpy and the reference, once for all cases with the same flags."""

    def __init__(self, certificates: Certificates, stack: ExitStack) -> None:
        self._certificates = certificates
        self._stack = stack
        self.pair = cache(self._start)

    def _start(self, flags: tuple[str, ...]) -> tuple[Server, Server]:
        arguments = self._certificates.flags(flags)
        etcd = self._stack.enter_context(reference_etcd(arguments))
        return self._stack.enter_context(etcdpy_server(args=arguments)), etcd


@pytest.fixture(scope="module")
def servers(certificates: Certificates) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(certificates, stack)


@pytest.fixture(scope="module")
def version() -> tuple[int, ...]:
    """The reference's."""
    with reference_etcd() as etcd, closing(Peer(etcd.address)) as peer:
        return version_of(peer)


def reach_out(server: Server, hand: Hand, certificates: Certificates) -> bool:
    """Tell whether a client is answered in HTTP/2."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as plain:
        try:
            if hand.raw:
                plain.sendall(hand.raw)
                return bool(plain.recv(100)[3:4] == bytes([SETTINGS_TYPE]))
            with _context(hand, certificates).wrap_socket(
                plain, server_hostname=hand.name
            ) as secure:
                secure.sendall(PREFACE)
                return secure.recv(100)[3] == SETTINGS_TYPE
        except (OSError, IndexError):
            return False


def _context(hand: Hand, certificates: Certificates) -> ssl.SSLContext:
    pair = certificates.clients[hand.certificate] if hand.certificate else None
    context = certificates.authority.trusting(pair, *hand.protocols)
    context.check_hostname = False
    context.minimum_version, context.maximum_version = hand.least, hand.most
    if hand.suites:
        context.set_ciphers(hand.suites)
    return context


def rejections(server: Server) -> list[Mapping[str, Any]]:
    """Return the fields of the lines about clients that were not let in, oldest first."""
    found: list[Mapping[str, Any]] = []
    for text in server.log:
        line = json.loads(text) if text.startswith("{") else {}
        if line.get("msg") == REJECTED:
            host, _, _ = line.pop("remote-addr").rpartition(":")
            # How late it is, which etcd says behind this, is in the line anyway.
            error = line.pop("error").partition(": current time")[0]
            common = {key: line[key] for key in line if key not in ("ts", "caller")}
            found.append({**common, "host": host, "error": error})
    return found


def rejected(server: Server, before: int) -> Mapping[str, Any]:
    """Wait for a line more than there were, and return it."""
    deadline = time.monotonic() + PATIENCE
    while len(lines := rejections(server)) <= before:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)
    return lines[-1]


@pytest.mark.parametrize("case", CASES)
def test_both_let_the_same_clients_in_and_say_the_same_of_others(
    servers: Servers, certificates: Certificates, version: tuple[int, ...], case: str
) -> None:
    flags, hand = CASES[case]
    if version < FLAGS_SINCE and any(
        flag.startswith(("--tls-", "--client-cert-allowed")) for flag in flags
    ):
        pytest.skip("an older etcd does not know the flag")
    both = servers.pair(tuple(flags))
    before = [len(rejections(server)) for server in both]
    etcdpy, etcd = (reach_out(server, hand, certificates) for server in both)
    assert etcdpy == etcd
    if etcdpy:
        assert [len(rejections(server)) for server in both] == before
        return
    ours = rejected(both[0], before[0])
    if version >= HANDSHAKE_WORDS:
        assert ours == rejected(both[1], before[1])
