"""
Ending a connection without losing a call (RFC 9113 6.8).

The first GOAWAY names the highest stream there can be: it asks the peer to begin no more, while
what is on its way will be served. The acknowledgement of the PING behind it proves that the peer
has read it and that all it had sent has arrived. Then the second names the last stream that came.
"""

from enum import Enum, auto
from typing import Final

from etcdpy.transport.http2 import frames

# grpc-go's. Our keepalive pings are all zeros, so their acknowledgements look different.
PING_PAYLOAD: Final = bytes.fromhex("0106010800030309")
DEBUG: Final = b"graceful_stop"
# As long as grpc-go waits: a peer that does not read must not hold up the end.
ACK_SECONDS: Final = 5.0
READ_SECONDS: Final = 1.0
"""Time for peers to read what was sent on streams that do not end by themselves."""


class Stage(Enum):
    """How far the end of a connection is: which GOAWAY was sent."""

    OPEN = auto()
    ANNOUNCED = auto()
    DRAINING = auto()


class GracefulShutdown:
    """The graceful end of one connection."""

    __slots__ = ("_since", "stage")

    def __init__(self) -> None:
        self.stage = Stage.OPEN
        self._since = 0.0

    def announce(self, now: float) -> bytes:
        """Return the first GOAWAY and PING; nothing if they were sent before."""
        if self.stage is not Stage.OPEN:
            return b""
        self.stage = Stage.ANNOUNCED
        self._since = now
        # RFC 9113 6.8: naming the last stream at once would lose those that cross this frame.
        first = frames.goaway(frames.MAX_STREAM_ID, frames.NO_ERROR, DEBUG)
        return first + frames.ping(PING_PAYLOAD)

    def is_acknowledged_by(self, payload: bytes) -> bool:
        """Return whether a PING acknowledgement is the one that is waited for."""
        return self.stage is Stage.ANNOUNCED and payload == PING_PAYLOAD

    def is_unread(self, now: float) -> bool:
        """Return whether a peer has had its time to read the end of endless streams."""
        return self.stage is not Stage.OPEN and now - self._since >= READ_SECONDS

    def is_overdue(self, now: float) -> bool:
        """Return whether to go on without an acknowledgement."""
        return self.stage is Stage.ANNOUNCED and now - self._since >= ACK_SECONDS

    def drain(self, last_stream_id: int) -> bytes:
        """Return the second GOAWAY; from now on no new stream is accepted."""
        assert self.stage is Stage.ANNOUNCED
        self.stage = Stage.DRAINING
        return frames.goaway(last_stream_id, frames.NO_ERROR, DEBUG)
