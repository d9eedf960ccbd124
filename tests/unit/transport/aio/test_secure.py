"""TLS between a socket and a protocol: what goes through, in order and at once, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.transport.aio.handshakes import READ_SIZE
from etcdpy.transport.aio.secure import SecureTransport

from .tls_client import Client, Door, Recorder, Wire

Connected = tuple[Wire, Client]


@pytest.fixture
async def connected(certificate: tuple[Path, ssl.SSLContext]) -> Connected:
    wire, client = Wire(Door(certificate[1]), MovableClock()), Client()
    await client.connect(wire)
    wire.take()
    wire.above.told.clear()
    wire.pipe.log.clear()
    return wire, client


def data_of(wire: Wire) -> bytes:
    return b"".join(part for part in wire.above.told if isinstance(part, bytes))


def test_what_one_read_brings_is_handed_on_together(connected: Connected) -> None:
    wire, client = connected
    wire.receive(client.encrypt(b"one ") + client.encrypt(b"two ") + client.encrypt(b"three"))
    assert wire.above.told == [b"one two three"]


def test_record_in_pieces_is_handed_on_when_it_is_whole(connected: Connected) -> None:
    wire, client = connected
    record = client.encrypt(b"slow")
    for at in range(len(record)):
        assert wire.above.told == []
        wire.receive(record[at : at + 1])
    assert wire.above.told == [b"slow"]


async def test_many_small_records_are_read_in_turns_and_no_more_meanwhile(
    connected: Connected,
) -> None:
    wire, client = connected
    body = bytes(range(250)) * 4
    wire.receive(b"".join(client.encrypt(body[at : at + 1]) for at in range(len(body))))
    assert 0 < len(data_of(wire)) < 100
    assert wire.pipe.log == ["pause_reading"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert data_of(wire) == body
    assert wire.pipe.log[-1] == "resume_reading"


async def test_reading_that_is_paused_stays_so_when_it_is_its_turn_to_catch_up(
    connected: Connected,
) -> None:
    wire, client = connected
    wire.receive(b"".join(client.encrypt(b"x") for _ in range(100)))
    before = data_of(wire)
    wire.above.transport.pause_reading()
    await asyncio.sleep(0)
    assert data_of(wire) == before
    wire.above.transport.resume_reading()
    await asyncio.sleep(0)
    assert data_of(wire) == b"x" * 100


def test_much_comes_through_in_order(connected: Connected) -> None:
    wire, client = connected
    body = bytes(range(256)) * 2000
    wire.receive(client.encrypt(body))
    assert data_of(wire) == body
    wire.above.transport.write(body)
    # Bounded pieces, as OpenSSL's buffers keep the size they once had.
    assert max(map(len, wire.pipe.written)) < 2 * READ_SIZE
    assert client.decrypt(wire.take()) == body


def test_each_write_is_encrypted_at_once_and_written_once(connected: Connected) -> None:
    wire, client = connected
    wire.above.transport.write(b"reply")
    wire.above.transport.writelines([b"a", b"b"])
    wire.above.transport.write(b"")
    assert len(wire.pipe.written) == 2
    assert client.decrypt(wire.take()) == b"replyab"


def test_reading_that_is_paused_keeps_what_has_arrived(connected: Connected) -> None:
    wire, client = connected
    transport = wire.above.transport
    transport.pause_reading()
    assert not transport.is_reading()
    wire.receive(client.encrypt(b"later"))
    assert wire.above.told == []
    assert wire.pipe.log == ["pause_reading"]


async def test_reading_that_is_resumed_hands_on_what_has_arrived_in_a_later_turn(
    connected: Connected,
) -> None:
    wire, client = connected
    wire.above.transport.pause_reading()
    wire.receive(client.encrypt(b"later"))
    wire.above.transport.resume_reading()
    assert wire.above.told == []
    await asyncio.sleep(0)
    assert wire.above.told == [b"later"]
    assert wire.pipe.log == ["pause_reading", "resume_reading"]


def test_socket_that_takes_no_more_pauses_the_protocol_above(connected: Connected) -> None:
    wire, _ = connected
    protocol = wire.pipe.protocol
    assert isinstance(protocol, asyncio.BufferedProtocol)
    wire.pipe.waiting = 77
    protocol.pause_writing()
    protocol.resume_writing()
    assert wire.above.told == ["pause", "resume"]
    assert wire.above.transport.get_write_buffer_size() == 77


def test_close_notify_of_the_client_ends_the_connection(connected: Connected) -> None:
    wire, client = connected
    wire.receive(client.encrypt(b"last") + client.goodbye())
    assert wire.above.told == [b"last", "eof"]
    assert wire.pipe.log == ["close"]
    assert client.decrypt(wire.take()) == b"<close_notify>"


def test_protocol_may_go_on_behind_the_clients_end(connected: Connected) -> None:
    wire, client = connected
    wire.above.goes_on = True
    wire.receive(client.goodbye())
    wire.above.transport.write(b"still here")
    assert wire.pipe.log == []
    assert client.decrypt(wire.take()) == b"still here"


def test_end_of_the_socket_is_told_once(connected: Connected) -> None:
    wire, _ = connected
    protocol = wire.pipe.protocol
    assert isinstance(protocol, asyncio.BufferedProtocol)
    assert not protocol.eof_received()
    protocol.connection_lost(None)
    assert wire.above.told == ["eof", "lost"]
    assert wire.above.transport.is_closing()


@pytest.mark.parametrize(
    ("end", "log"),
    [
        (lambda transport: transport.close(), ["close"]),
        (lambda transport: transport.write_eof(), ["write_eof"]),
    ],
)
def test_end_of_ours_begins_with_a_close_notify(
    connected: Connected, end: Callable[[asyncio.Transport], None], log: list[str]
) -> None:
    wire, client = connected
    wire.above.transport.write(b"bye")
    end(wire.above.transport)
    assert client.decrypt(wire.take()) == b"bye<close_notify>"
    assert wire.pipe.log == log
    # What still arrives is dropped, and nothing is written any more.
    wire.receive(client.encrypt(b"too late"))
    wire.above.transport.write(b"too late")
    assert (wire.above.told, wire.take()) == ([], b"")


def test_abort_says_nothing(connected: Connected) -> None:
    wire, _ = connected
    wire.above.transport.abort()
    wire.above.transport.close()
    assert wire.take() == b""
    assert wire.above.transport.is_closing()


def test_damaged_record_ends_the_connection_with_an_alert(connected: Connected) -> None:
    wire, client = connected
    good, bad = client.encrypt(b"good"), bytearray(client.encrypt(b"bad"))
    bad[-1] ^= 1
    wire.receive(good + bytes(bad))
    assert wire.above.told == [b"good"]
    assert wire.pipe.log == ["close"]
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        client.decrypt(wire.take())


def test_it_knows_its_client_and_its_socket(connected: Connected) -> None:
    wire, _ = connected
    info = wire.above.transport.get_extra_info
    assert info("peername") == ("10.0.0.1", 5000)
    assert info("certificate_name", "x") is None
    assert info("ssl_object").version() == "TLSv1.3"
    assert info("nothing", 5) == 5


def test_another_protocol_may_take_over(connected: Connected) -> None:
    wire, client = connected
    first, second = wire.above, Recorder()
    transport = first.transport
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    wire.receive(client.encrypt(b"x"))
    assert (first.told, second.told) == ([], [b"x"])


async def test_nothing_of_a_connection_that_is_lost_waits_for_the_collector(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    wire, client = Wire(Door(certificate[1]), MovableClock()), Client()
    await client.connect(wire)
    secure = wire.pipe.protocol
    assert isinstance(secure, SecureTransport)
    secure.connection_lost(None)
    assert wire.above.told[-1] == "lost"
    assert not [one for one in gc.get_referrers(wire.above) if one is secure]
