"""TLS on the same port: which protocol is spoken when ALPN says so, and when it does not."""

import ssl
from collections.abc import Iterator

import pytest

from .conftest import EchoServer
from .h2client import Client, data, message, request_fields

UNARY = "/echo.Echo/Unary"


@pytest.fixture(scope="module")
def secure_server(certificate: str) -> Iterator[EchoServer]:
    running = EchoServer(certificate=certificate)
    yield running
    running.stop()


def offering(*protocols: str) -> ssl.SSLContext:
    """Return a client's TLS that trusts anyone and offers these protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def chosen(client: Client) -> str | None:
    assert isinstance(client.socket, ssl.SSLSocket)
    return client.socket.selected_alpn_protocol()


@pytest.mark.parametrize("protocols", [("h2",), ("h2", "http/1.1"), ("http/1.1", "h2")])
def test_h2_is_chosen_wherever_it_is_offered(
    secure_server: EchoServer, protocols: tuple[str, ...]
) -> None:
    with secure_server.connect(tls=offering(*protocols)) as client:
        assert chosen(client) == "h2"
        assert client.call(UNARY, b"secret").messages == [b"secret"]


def test_client_without_alpn_may_speak_h2(secure_server: EchoServer) -> None:
    with secure_server.connect(tls=offering()) as client:
        assert chosen(client) is None
        assert client.call(UNARY, b"old").messages == [b"old"]


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
def test_http1_is_spoken_without_h2(secure_server: EchoServer, protocols: tuple[str, ...]) -> None:
    with secure_server.connect(preface=False, tls=offering(*protocols)) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.socket.recv(100).startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_large_messages_pass_both_ways(secure_server: EchoServer) -> None:
    with secure_server.connect(tls=offering("h2")) as client:
        body = bytes(range(256)) * 4096
        stream = client.open(UNARY)
        whole = message(body)
        client.pour(stream, (whole[i : i + 16384] for i in range(0, len(whole), 16384)))
        client.send(data(stream, b"", end=True))
        assert client.finish(stream).messages == [body]


def test_plaintext_on_the_secure_port_is_closed(secure_server: EchoServer) -> None:
    with secure_server.connect() as client:
        client.wait_closed()
    with secure_server.connect(tls=offering("h2")) as client:
        assert client.call(UNARY, b"x").messages == [b"x"]


def test_many_secure_calls_at_once(secure_server: EchoServer) -> None:
    with secure_server.connect(tls=offering("h2")) as client:
        streams = [client.start(UNARY, b"%d" % i) for i in range(300)]
        assert [client.finish(s).messages for s in streams] == [[b"%d" % i] for i in range(300)]
        fields = request_fields(UNARY, scheme="https")
        client.send(client.headers(client.next_stream, fields))
        client.send(data(client.next_stream, message(b"https"), end=True))
        assert client.finish(client.next_stream).messages == [b"https"]
