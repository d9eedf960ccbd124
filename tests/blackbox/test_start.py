"""How a connection begins: what is sniffed, what is sent first, which settings hold."""

import socket
import struct
import time

import pytest

from .conftest import EchoServer
from .h2client import (
    ACK,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    WINDOW_UPDATE,
    Client,
    data,
    frame,
    message,
    request_fields,
    settings,
)

UNARY = "/echo.Echo/Unary"


def server_settings(client: Client) -> list[tuple[int, int]]:
    client.wait(lambda: bool(client.frames))
    first = client.frames[0]
    assert (first.type, first.flags, first.stream) == (SETTINGS, 0, 0)
    return list(struct.iter_unpack(">HL", first.payload))


def test_settings_are_the_first_frame_and_acknowledge_the_clients(client: Client) -> None:
    client.wait(lambda: len(client.frames) >= 3)
    kinds = [(f.type, f.flags, f.stream) for f in client.frames[:3]]
    assert kinds[0] == (SETTINGS, 0, 0)
    assert sorted(kinds[1:]) == [(SETTINGS, ACK, 0), (WINDOW_UPDATE, 0, 0)]


def test_settings_name_no_stream_limit_unless_told(client: Client) -> None:
    found = dict(server_settings(client))
    assert MAX_CONCURRENT_STREAMS not in found
    assert ENABLE_PUSH not in found
    assert HEADER_TABLE_SIZE not in found
    assert found[INITIAL_WINDOW_SIZE] == 1 << 20
    assert found[MAX_FRAME_SIZE] == 16384


def test_settings_come_before_the_clients_own(server: EchoServer) -> None:
    # Mint waits for them before it sends anything but the preface.
    with server.connect(preface=False) as client:
        client.send(PREFACE)
        server_settings(client)


def test_preface_and_frames_arrive_byte_by_byte(server: EchoServer) -> None:
    with server.connect(preface=False) as client:
        call = client.headers(1, request_fields(UNARY)) + data(1, message(b"slow"), end=True)
        for byte in PREFACE + settings() + call:
            client.send(bytes((byte,)))
        assert client.finish(1).messages == [b"slow"]


def test_everything_arrives_in_one_segment(server: EchoServer) -> None:
    with server.connect(preface=False) as client:
        call = client.headers(1, request_fields(UNARY)) + data(1, message(b"all"), end=True)
        client.send(PREFACE + settings() + call)
        assert client.finish(1).messages == [b"all"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"\x00" * 24,
    ],
    ids=["wrong tail", "wrong last byte", "TLS hello", "zeros"],
)
def test_other_protocols_are_closed(server: EchoServer, wrong: bytes) -> None:
    with server.connect(preface=False) as client:
        client.send(wrong)
        client.wait_closed()
        assert SETTINGS not in [f.type for f in client.frames]


def test_first_frame_other_than_settings_closes(server: EchoServer) -> None:
    with server.connect(preface=False) as client:
        client.send(PREFACE, frame(PING, payload=bytes(8)))
        goaway = client.wait_closed()
        assert goaway is None or goaway.code == PROTOCOL_ERROR


def test_settings_ack_as_first_frame_closes(server: EchoServer) -> None:
    with server.connect(preface=False) as client:
        client.send(PREFACE, frame(SETTINGS, ACK))
        client.wait_closed()


def test_settings_ack_never_asked_for_is_ignored(client: Client) -> None:
    client.send(frame(SETTINGS, ACK), frame(SETTINGS, ACK))
    assert client.call(UNARY, b"x").messages == [b"x"]


def test_every_settings_frame_is_acknowledged(client: Client) -> None:
    client.send(*[settings((INITIAL_WINDOW_SIZE, 65535 + i)) for i in range(20)])
    acks = [(SETTINGS, ACK)] * 21
    client.wait(lambda: [(f.type, f.flags) for f in client.frames].count((SETTINGS, ACK)) == 21)
    assert [(f.type, f.flags) for f in client.frames if f.type == SETTINGS and f.flags] == acks


def test_unknown_settings_are_ignored(server: EchoServer) -> None:
    # grpc core announces 0xFE03.
    with server.connect((ENABLE_PUSH, 0), (MAX_CONCURRENT_STREAMS, 0), (0xFE03, 1)) as client:
        assert client.call(UNARY, b"x").messages == [b"x"]


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        ((ENABLE_PUSH, 2), PROTOCOL_ERROR),
        ((INITIAL_WINDOW_SIZE, 1 << 31), FLOW_CONTROL_ERROR),
        ((MAX_FRAME_SIZE, 16383), PROTOCOL_ERROR),
        ((MAX_FRAME_SIZE, 1 << 24), PROTOCOL_ERROR),
    ],
)
def test_settings_out_of_range(server: EchoServer, pair: tuple[int, int], code: int) -> None:
    with server.connect(pair) as client:
        goaway = client.wait_closed()
        assert goaway is not None
        assert goaway.code == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\x00"), FRAME_SIZE_ERROR),
        (frame(SETTINGS, ACK, 0, b"\x00\x04\x00\x00\xff\xff"), FRAME_SIZE_ERROR),
        (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    ],
    ids=["length", "ack with payload", "on a stream"],
)
def test_malformed_settings(client: Client, wrong: bytes, code: int) -> None:
    client.send(wrong)
    goaway = client.wait_closed()
    assert goaway is not None
    assert goaway.code == code


def test_http1_on_the_same_port_never_starts_a_call(server: EchoServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(
            b"POST /echo.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n"
            b"Content-Length: 5\r\nConnection: close\r\n\r\n\0\0\0\0\0"
        )
        received = b""
        while chunk := plain.recv(4096):
            received += chunk
    assert received.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert received.endswith(b"\r\n\r\nnot found")


def test_a_connection_never_changes_its_protocol(client: Client) -> None:
    assert client.call(UNARY, b"x").messages == [b"x"]
    client.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    client.wait_closed()
    assert GOAWAY in [f.type for f in client.frames]


def test_an_upgrade_to_h2c_is_not_taken(server: EchoServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        received = b""
        while chunk := plain.recv(4096):
            received += chunk
    assert b"101" not in received.split(b"\r\n")[0]


def test_silent_starters_are_closed_in_about_ten_seconds(server: EchoServer) -> None:
    """No byte at all, half a preface, a preface without SETTINGS, half a header block."""
    starts = {"nothing": b"", "half": PREFACE[:10], "no settings": PREFACE}
    started = time.monotonic()
    clients = {}
    for name, sent in starts.items():
        clients[name] = server.connect(preface=False)
        clients[name].send(sent)
    clients["open block"] = server.connect()
    clients["open block"].send(frame(HEADERS, 0, 1, b"\x83"))
    for client in clients.values():
        with client:
            client.wait_closed()
            assert 8 < time.monotonic() - started < 50
    assert server.latency() < 2


def test_idle_connection_that_began_properly_stays(server: EchoServer) -> None:
    with server.connect() as client:
        assert client.call(UNARY, b"x").messages == [b"x"]
        client.drain(0.3)
        block = client.headers(3, request_fields(UNARY), end=False)
        assert block[4] == END_HEADERS
        client.send(block, data(3, message(b"later"), end=True))
        assert client.finish(3).messages == [b"later"]
        assert client.frames[-1].flags & END_STREAM
