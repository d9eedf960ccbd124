"""A client of TLS in memory, and the pipe between it and the server's protocols."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping

from etcdpy.clock import Clock
from etcdpy.transport.aio.handshake import Handshake
from etcdpy.transport.aio.handshakes import Handshakes
from etcdpy.transport.aio.security import PeerRefusedError

from .pipe import Pipe


class Recorder(asyncio.Protocol):
    """The protocol above; notes what it is told, and goes on or not behind the other side's end."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.transport: asyncio.Transport
        self.goes_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.goes_on

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")


class Door:
    """The security of a listener that lets in whom it is told to, and notes whom it did not."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.made = context
        self.name: str | None = None
        self.refusal = ""
        self.is_ready = True
        self.rejections: list[tuple[str, str, str, Mapping[str, object]]] = []

    def context(self) -> ssl.SSLContext:
        if not self.is_ready:
            raise PeerRefusedError("nothing to make it with")
        return self.made

    def identify(self, session: ssl.SSLObject) -> str | None:
        if self.refusal:
            raise PeerRefusedError(self.refusal, {"dns-names": ["a"]})
        return self.name

    def rejected(
        self, remote: str, server_name: str, error: str, fields: Mapping[str, object]
    ) -> None:
        self.rejections.append((remote, server_name, error, fields))

    @property
    def errors(self) -> list[str]:
        return [error for _, _, error, _ in self.rejections]


class Wire:
    """A handshake, the pipe it writes to, and the protocol it ends in."""

    def __init__(self, door: Door, clock: Clock, queue: Handshakes | None = None) -> None:
        self.queue = Handshakes() if queue is None else queue
        self.pipe = Pipe(peername=("10.0.0.1", 5000), sockname=("10.0.0.2", 2379))
        self.above = Recorder()
        self.left = 0
        self.handshake = Handshake(clock, door, self.queue, lambda: self.above, self._leave)
        self.pipe.protocol = self.handshake
        self.handshake.connection_made(self.pipe)

    def _leave(self) -> None:
        self.left += 1

    async def send(self, data: bytes) -> bytes:
        """Hand bytes to whoever reads the socket; return what is written until all is done."""
        self.receive(data)
        for _ in range(10):
            await asyncio.sleep(0)
        return self.take()

    def receive(self, data: bytes) -> None:
        while data:
            reader = self.pipe.protocol
            assert isinstance(reader, asyncio.BufferedProtocol)
            buffer = memoryview(reader.get_buffer(-1))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            reader.buffer_updated(size)
            data = data[size:]

    def take(self) -> bytes:
        """Return what was written since it was asked last."""
        written = b"".join(self.pipe.written)
        self.pipe.written.clear()
        return written


class Client:
    """A client of TLS whose bytes are carried by hand."""

    def __init__(self, *protocols: str, most: ssl.TLSVersion | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(protocols or ("h2",)))
        if most is not None:
            context.maximum_version = most
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname="a.example")

    def shake(self, received: bytes = b"") -> bytes:
        """Go on with the handshake; return what is to be sent."""
        self._incoming.write(received)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.session.do_handshake()
        return self._outgoing.read()

    async def connect(self, wire: Wire) -> None:
        """Shake hands."""
        answer = b""
        while to_send := self.shake(answer):
            answer = await wire.send(to_send)
        assert wire.above.told == ["made"]

    def encrypt(self, data: bytes) -> bytes:
        sent = 0
        while sent < len(data):
            sent += self.session.write(data[sent:])
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """Return what the server has said; ends with b"" behind its close_notify."""
        self._incoming.write(received)
        found = b""
        try:
            while part := self.session.read(1 << 20):
                found += part
        except ssl.SSLWantReadError:
            return found
        except ssl.SSLZeroReturnError:  # both have said it
            pass
        return found + b"<close_notify>"

    def goodbye(self) -> bytes:
        """Return a close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.session.unwrap()
        return self._outgoing.read()
