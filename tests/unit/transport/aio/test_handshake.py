"""How a session is agreed on, and what becomes of those with whom it is not."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.transport.aio.handshakes import Handshakes
from etcdpy.transport.limits import FIRST_FRAMES_SECONDS

from .tls_client import Client, Door, Wire

NOT_TLS = "tls: first record does not look like a TLS handshake"


@pytest.fixture
def door(certificate: tuple[Path, ssl.SSLContext]) -> Door:
    return Door(certificate[1])


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def lose(wire: Wire, error: Exception | None = None) -> None:
    protocol = wire.pipe.protocol
    assert isinstance(protocol, asyncio.BufferedProtocol)
    protocol.connection_lost(error)


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_session_is_handed_on_with_the_name_of_its_client(
    door: Door, clock: MovableClock, most: ssl.TLSVersion
) -> None:
    door.name = "alice"
    wire, client = Wire(door, clock), Client(most=most)
    await client.connect(wire)
    assert wire.above.transport.get_extra_info("certificate_name") == "alice"
    assert client.session.selected_alpn_protocol() == "h2"
    wire.receive(client.encrypt(b"x"))
    assert wire.above.told == ["made", b"x"]
    # The connection is another's now, and so is its end.
    lose(wire)
    assert (wire.left, wire.above.told[-1], door.errors) == (0, "lost", [])
    assert len(wire.queue) == 0
    await clock.advance(FIRST_FRAMES_SECONDS)
    assert not wire.pipe.is_closing()


async def test_what_comes_behind_the_handshake_is_not_lost(door: Door, clock: MovableClock) -> None:
    wire, client = Wire(door, clock), Client()
    answer = await wire.send(client.shake())
    finished = client.shake(answer)
    await wire.send(finished + client.encrypt(b"at once"))
    assert wire.above.told == ["made", b"at once"]


async def test_hello_may_come_a_byte_at_a_time(door: Door, clock: MovableClock) -> None:
    wire, client = Wire(door, clock), Client()
    hello = client.shake()
    for at in range(len(hello) - 1):
        wire.receive(hello[at : at + 1])
    assert wire.take() == b""
    answer = await wire.send(hello[-1:])
    await wire.send(client.shake(answer))
    assert wire.above.told == ["made"]


async def test_nothing_is_read_while_it_waits_for_its_turn(door: Door, clock: MovableClock) -> None:
    wire, client = Wire(door, clock), Client()
    wire.receive(client.shake())
    assert wire.pipe.log == ["pause_reading"]
    await asyncio.sleep(0)
    assert wire.pipe.log == ["pause_reading", "resume_reading"]


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n", b"\x17"])
async def test_what_is_no_tls_is_closed_without_a_word(
    door: Door, clock: MovableClock, start: bytes
) -> None:
    wire = Wire(door, clock)
    assert await wire.send(start) == b""
    assert wire.pipe.log == ["close"]
    assert door.rejections == [("10.0.0.1:5000", "", NOT_TLS, {})]
    lose(wire)
    assert (wire.left, len(wire.queue)) == (1, 0)


async def test_client_that_speaks_nothing_we_do_is_told(door: Door, clock: MovableClock) -> None:
    wire, client = Wire(door, clock), Client("foo", "bar")
    alert = await wire.send(client.shake())
    # RFC 7301 3.2: no_application_protocol.
    assert alert == bytes([21, 3, 1, 0, 2, 2, 120])
    assert door.errors == [
        'tls: client requested unsupported application protocols (["foo" "bar"])'
    ]


async def test_client_may_know_more_protocols_than_we_do(door: Door, clock: MovableClock) -> None:
    client = Client("foo", "http/1.1")
    await client.connect(Wire(door, clock))
    assert client.session.selected_alpn_protocol() == "http/1.1"


async def test_garbage_that_looks_like_tls_gets_an_alert(door: Door, clock: MovableClock) -> None:
    wire = Wire(door, clock)
    alert = await wire.send(b"\x16\x03\x01\0\x10" + b"x" * 16)
    assert alert[0] == 21
    assert wire.pipe.log[-1] == "close"
    assert door.errors == ["tls: unexpected message"]


async def test_more_than_any_hello_is_refused_before_it_is_whole(
    door: Door, clock: MovableClock
) -> None:
    wire = Wire(door, clock)
    await wire.send(b"\x16\x03\x01\xff\xff" + bytes(30_000))
    assert door.errors == ["tls: oversized record received with length 65535"]


async def test_client_that_does_not_trust_us_is_noted(door: Door, clock: MovableClock) -> None:
    door.made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door.made.minimum_version = ssl.TLSVersion.TLSv1_3
    wire, client = Wire(door, clock), Client(most=ssl.TLSVersion.TLSv1_2)
    alert = await wire.send(client.shake())
    assert alert[0] == 21
    assert door.errors[0].startswith("tls: client offered only unsupported versions: [303")
    assert door.rejections[0][1] == ""


async def test_client_that_is_refused_is_let_go_behind_the_handshake(
    door: Door, clock: MovableClock
) -> None:
    door.refusal = "revoked"
    wire, client = Wire(door, clock), Client()
    answer = await wire.send(client.shake())
    await wire.send(client.shake(answer))
    assert wire.above.told == []
    assert wire.pipe.log[-1] == "close"
    assert door.rejections == [("10.0.0.1:5000", "a.example", "revoked", {"dns-names": ["a"]})]


async def test_without_anything_to_make_it_with_there_is_an_alert(
    door: Door, clock: MovableClock
) -> None:
    door.is_ready = False
    wire = Wire(door, clock)
    assert await wire.send(Client().shake()) == bytes([21, 3, 1, 0, 2, 2, 80])
    assert door.errors == ["nothing to make it with"]


async def test_silent_client_is_cut_in_time_and_not_mentioned(
    door: Door, clock: MovableClock
) -> None:
    wire = Wire(door, clock)
    await clock.advance(FIRST_FRAMES_SECONDS)
    assert (wire.pipe.log, door.errors, len(wire.queue)) == (["abort"], [], 0)


@pytest.mark.parametrize("is_half", [True, False])
async def test_client_that_stops_in_the_middle_is_cut_in_time(
    door: Door, clock: MovableClock, is_half: bool
) -> None:
    wire = Wire(door, clock)
    hello = Client().shake()
    await wire.send(hello[:50] if is_half else hello)
    await clock.advance(FIRST_FRAMES_SECONDS)
    assert wire.pipe.log[-1] == "abort"
    assert door.errors == ["tls: handshake not completed in time"]


async def test_end_in_the_middle_of_a_hello_is_noted_and_one_before_is_not(
    door: Door, clock: MovableClock
) -> None:
    for start, errors in ((b"", []), (b"\x16\x03", ["unexpected EOF"])):
        wire = Wire(door, clock)
        wire.receive(start)
        assert not wire.handshake.eof_received()
        lose(wire)
        assert (wire.left, door.errors) == (1, errors)


async def test_reset_is_noted_as_go_notes_it(door: Door, clock: MovableClock) -> None:
    wire = Wire(door, clock)
    lose(wire, ConnectionResetError(104, "Connection reset by peer"))
    text = "read tcp 10.0.0.2:2379->10.0.0.1:5000: read: connection reset by peer"
    assert door.errors == [text]


async def test_client_that_has_gone_when_it_is_its_turn_costs_nothing(
    door: Door, clock: MovableClock
) -> None:
    wire = Wire(door, clock)
    wire.receive(Client().shake())
    wire.pipe.log.append("close")
    assert await wire.send(b"") == b""


async def test_end_of_the_server_cuts_it(door: Door, clock: MovableClock) -> None:
    wire = Wire(door, clock)
    wire.queue.close()
    assert (wire.pipe.log, door.errors) == (["abort"], [])


async def test_beyond_the_limit_the_oldest_gives_way_and_says_why(
    door: Door, clock: MovableClock
) -> None:
    queue = Handshakes(most=1)
    stalled, late = Wire(door, clock, queue), Wire(door, clock, queue)
    await stalled.send(Client().shake())
    await Client().connect(late)
    assert stalled.pipe.log[-1] == "close"
    assert door.errors == ["tls: too many handshakes at a time"]
