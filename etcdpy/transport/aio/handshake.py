"""The first protocol of a connection over TLS: it agrees on a session, and hands that on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from etcdpy.clock import Clock, Timer
from etcdpy.gostd.quoting import go_quote_all
from etcdpy.transport.aio import client_hello
from etcdpy.transport.aio.client_hello import MAX_RECORD, ClientHello, NotTlsError
from etcdpy.transport.aio.handshakes import Handshakes
from etcdpy.transport.aio.secure import SecureTransport
from etcdpy.transport.aio.security import NO_FIELDS, PeerRefusedError, Security
from etcdpy.transport.aio.tls_words import in_words
from etcdpy.transport.limits import FIRST_FRAMES_SECONDS

__all__ = ["Handshake"]

_PROTOCOLS: Final = (b"h2", b"http/1.1")

_INTERNAL_ERROR: Final = 80
_NO_APPLICATION_PROTOCOL: Final = 120


class Handshake(asyncio.BufferedProtocol):
    """
    One connection until its session is agreed on.

    Args:
        clock: What the time for a handshake is on.
        security: What it is made with.
        handshakes: The others, and whose turn it is.
        greet: Makes the protocol that goes on.
        leave: Called when a connection is lost that no other protocol has seen.

    Attributes:
        is_connected: Whether there has been a connection.

    """

    __slots__ = (
        "_clock",
        "_greet",
        "_handshakes",
        "_hello",
        "_incoming",
        "_is_over",
        "_leave",
        "_outgoing",
        "_raw",
        "_received",
        "_security",
        "_session",
        "_timer",
        "is_connected",
    )

    def __init__(
        self,
        clock: Clock,
        security: Security,
        handshakes: Handshakes,
        greet: Callable[[], asyncio.Protocol],
        leave: Callable[[], None],
    ) -> None:
        self.is_connected = False
        self._clock = clock
        self._security = security
        self._handshakes = handshakes
        self._greet = greet
        self._leave = leave
        self._received = b""
        self._hello: ClientHello | None = None
        self._session: ssl.SSLObject | None = None
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._is_over = False
        self._raw: asyncio.Transport
        self._timer: Timer

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_connected = True
        self._raw = cast(asyncio.Transport, transport)
        self._handshakes.arrived(self)
        self._timer = self._clock.wake_after(FIRST_FRAMES_SECONDS, self._time_out)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._handshakes.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_over:
            return
        data = self._handshakes.scratch[:nbytes]
        if self._session is not None:
            self._incoming.write(data)
            self._wait_for_turn()
            return
        self._received += data
        try:
            if client_hello.is_whole(self._received):
                self._wait_for_turn()
            elif len(self._received) > 2 * MAX_RECORD:
                raise NotTlsError("tls: no end of a hello")
        except NotTlsError as error:
            self._reject(str(error), error.alert)

    def eof_received(self) -> bool | None:
        # One that ends between two records has just changed its mind. (etcd: ``io.EOF``)
        if not self._is_over and (self._received or (self._session and self._incoming.pending)):
            self._note("unexpected EOF")
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_over and isinstance(exc, OSError) and exc.errno == errno.ECONNRESET:
            here, there = (_address(self._raw, name) for name in ("sockname", "peername"))
            why = os.strerror(exc.errno).lower()
            self._note(f"read tcp {here}->{there}: read: {why}")
        self._finish()
        self._leave()

    # What the queue calls.

    def step(self) -> None:
        """Go on with what has arrived; ends in a session, in a refusal, or in waiting for more."""
        if self._is_over or self._raw.is_closing():
            return
        try:
            self._step()
        except ssl.SSLWantReadError:
            self._flush()
            self._raw.resume_reading()
        except ssl.SSLError as error:
            self._flush()
            self._reject(in_words(error, self._hello))
        except PeerRefusedError as error:
            self._say_goodbye()
            self._reject(str(error), fields=error.fields)

    def give_up(self, why: str) -> None:
        """End it: others need its place."""
        self._reject(why)

    def close(self) -> None:
        """End it without a word: the server stops."""
        self._finish()
        self._raw.abort()

    def _wait_for_turn(self) -> None:
        # What it sends until then stays in the kernel.
        self._raw.pause_reading()
        self._handshakes.ask(self)

    def _step(self) -> None:
        if self._session is None and not self._begin():
            return
        assert self._session is not None
        self._session.do_handshake()
        name = self._security.identify(self._session)
        self._flush()
        self._finish()
        secure = SecureTransport(
            self._raw,
            self._session,
            self._incoming,
            self._outgoing,
            self._handshakes.scratch,
            name,
            self._handshakes.behind,
        )
        secure.begin(self._greet())
        if secure.is_reading():
            self._raw.resume_reading()

    def _begin(self) -> bool:
        """Make a session for the hello that has arrived; False if there is none to be made."""
        hello = self._hello = client_hello.parse(self._received)
        if hello is not None and hello.protocols and not set(hello.protocols) & set(_PROTOCOLS):
            # RFC 7301 3.2. OpenSSL would go on without a protocol.
            names = go_quote_all(one.decode("latin-1") for one in hello.protocols)
            text = f"tls: client requested unsupported application protocols ({names})"
            self._hello = None  # Go has not looked at the name yet, either
            self._reject(text, _NO_APPLICATION_PROTOCOL)
            return False
        try:
            context = self._security.context()
        except PeerRefusedError as error:
            self._reject(str(error), _INTERNAL_ERROR)
            return False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._incoming.write(self._received)
        self._received = b""
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        return True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def _say_goodbye(self) -> None:
        assert self._session is not None
        with contextlib.suppress(ssl.SSLError):  # it would wait for the other side's
            self._session.unwrap()
        self._flush()

    def _time_out(self) -> None:
        # Whoever has said nothing is not worth a line.
        if self._received or self._session is not None:
            self._note("tls: handshake not completed in time")
        self._finish()
        self._raw.abort()

    def _reject(
        self, text: str, alert: int | None = None, fields: Mapping[str, object] = NO_FIELDS
    ) -> None:
        if self._is_over:
            return
        self._note(text, fields)
        if alert is not None:
            # RFC 8446 6: a fatal alert, in a record of its own.
            self._raw.write(bytes([21, 3, 1, 0, 2, 2, alert]))
        self._finish()
        self._raw.close()

    def _note(self, text: str, fields: Mapping[str, object] = NO_FIELDS) -> None:
        self._is_over = True
        unsupported = text.startswith("tls: client offered only unsupported versions")
        name = "" if self._hello is None or unsupported else self._hello.server_name
        self._security.rejected(_address(self._raw), name, text, fields)

    def _finish(self) -> None:
        self._is_over = True
        self._timer.cancel()
        self._handshakes.left(self)


def _address(transport: asyncio.BaseTransport, which: str = "peername") -> str:
    """Return the address of a side, by default the other, as Go writes it."""
    name: Any = transport.get_extra_info(which)
    if not isinstance(name, tuple):
        return "@"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
