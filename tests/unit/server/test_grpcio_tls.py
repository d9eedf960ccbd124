"""What grpcio's server can do of TLS, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.server.grpcio_tls import check_grpcio, grpcio_credentials
from etcdpy.server.listeners import ListenError
from etcdpy.server.tls_info import TlsInfo
from etcdpy.transport.aio.grpcio import ReferenceServer
from tests.support.certificates import Authority
from tests.unit.transport.service import Service

ECHO = "/test.Service/Inline"


@pytest.mark.parametrize(
    ("others", "flag"),
    [
        ({"revoked": "r"}, "client-crl-file"),
        ({"allowed_names": ("a",)}, "client-cert-allowed-hostname"),
        ({"suites": ("s",)}, "cipher-suites"),
        ({"least": "TLS1.3"}, "tls-min-version"),
        ({"most": "TLS1.2"}, "tls-max-version"),
        ({"identifies": True}, "client-cert-auth without --trusted-ca-file"),
    ],
)
def test_what_it_cannot_do_is_refused(others: dict[str, Any], flag: str) -> None:
    with pytest.raises(ListenError) as error:
        check_grpcio(TlsInfo("c", "k", **others))
    assert str(error.value) == f"--transport=grpcio does not support --{flag}"


def test_what_it_can_do_is_not() -> None:
    check_grpcio(TlsInfo("c", "k", authorities="a", identifies=True, least="TLS1.2"))


async def serial_of(port: int, authority: Authority) -> int:
    """Return the serial number of the certificate that a server shows."""
    context = authority.trusting(authority.client("alice"))
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    try:
        return int(str(writer.get_extra_info("peercert")["serialNumber"]), 16)
    finally:
        writer.close()


async def test_renewed_pair_serves_the_next_handshake_and_half_a_pair_does_not(
    tmp_path: Path,
) -> None:
    authority = Authority.make(tmp_path)
    pair = authority.server()
    info = TlsInfo(str(pair.certificate), str(pair.key), authorities=str(authority.path))
    server = ReferenceServer()
    Service().register(server)
    port = await server.listen_tcp("127.0.0.1", 0, security=grpcio_credentials(info))
    try:
        first = pair.serial
        assert await serial_of(port, authority) == first
        pair.certificate.write_text("")
        assert await serial_of(port, authority) == first
        authority.server()
        assert await serial_of(port, authority) == pair.serial != first
        alice = authority.client("alice")
        credentials = grpc.ssl_channel_credentials(
            authority.path.read_bytes(), alice.key.read_bytes(), alice.certificate.read_bytes()
        )
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            echo: Any = channel.unary_unary(ECHO)
            assert await echo(b"x") == b"x"
    finally:
        await server.stop()
