"""Every bound that a peer can run into, and why it has that size."""

from typing import Final, NamedTuple

INITIAL_STREAM_WINDOW: Final = 1 << 20
"""Bytes of requests a stream may have unread: most messages pass without a second grant."""

CONNECTION_WINDOW: Final = 16 << 20
"""Bytes of DATA in flight on a connection: it never holds back a stream that has window."""

MAX_HEADER_LIST: Final = 65536
"""Decoded bytes of a request's headers (RFC 9113 10.5.1) whose block is a single frame: that has
16 KiB, so more could only come by references to the table, which cost a peer a byte each."""

MAX_LARGE_HEADER_LIST: Final = 1 << 20
"""The same of a block in several frames. etcd takes 16 MiB; here that would cost up to ten seconds
of Python, for Huffman codes take a quarter of a microsecond a byte and more."""

MAX_LIST_PER_BYTE: Final = 16
"""Bytes of a list beyond MAX_HEADER_LIST for each byte of its block."""

MAX_HEADER_FIELDS: Final = 4096
"""Fields of such a list: each is checked by itself when the block is complete, in one go."""

MAX_HEADER_STRING: Final = 32768
"""Bytes of one header name, or of a value that is all in one frame."""

MAX_HEADER_BLOCK: Final = 2 << 20
"""Compressed bytes of one header block, over all its frames. A list that is too large is refused,
and the connection goes on; here it ends."""

MAX_CONTINUATIONS: Final = 16
"""CONTINUATION frames of one block: empty ones cost the peer nothing (CVE-2024-27316)."""

MIN_CONTINUATION: Final = 1024
"""Bytes that each CONTINUATION beyond those must have on the average."""

HEADER_ROOM: Final = 256 << 20
"""Bytes of large header lists, over all connections: what finds no room is refused."""

MAX_HELD_HEADERS: Final = 16 << 20
"""The same over all streams of one connection."""

MAX_LIVE_STREAMS: Final = 10_000
"""Streams on one connection even when no limit is advertised: each costs about a kilobyte."""

FREE_STREAMS: Final = 128
"""Streams of a connection that no memory is asked for."""

STREAMS_AT_ONCE: Final = 32
"""Streams beyond those for which memory is asked at once."""

STREAM_SIZE: Final = 2048
"""Bytes that one of them is counted as, with its handler: a watch of one key takes as much again,
and a request that waits for its message half of it."""

LARGE_HEAD: Final = 4096
"""Bytes of the fields of one request from which on they are counted until it is answered."""

FREE_ORPHANS: Final = 100
"""
Cancelled handlers, not ended yet, that do not count as live streams: a client that has reset
a stream may use its place at once (RFC 9113 5.1.2). Beyond these they do count, or resets would
buy work.
"""

MAX_FAULT_RESETS: Final = 1000
"""RST_STREAM frames a peer may provoke by faults in a connection's life (CVE-2025-8671)."""

MAX_BUFFERED: Final = 128 << 20
"""Bytes of incomplete or unread requests on one connection; the stream beyond is reset."""

LARGE_REQUEST: Final = 4096
"""Bytes of a request from which on it is counted while it is worked on."""

COPIES: Final = 3
"""How often a write that waits for the disk is there: as it was decoded, as a row, and in the batch
on its way."""

STARTING_SECONDS: Final = 0.001
"""How long requests are started that were complete already, before others have their turn: those
that are compressed cost thousands of times what they take to send."""

SEND_QUEUE: Final = 64 << 10
"""Bytes a stream may have waiting to be sent before its producer waits, as in grpc-go."""

CONNECTION_SEND_QUEUE: Final = 16 << 20
"""The same over all streams of a connection: many slow streams are no way around it."""

UNWRITTEN: Final = 128 << 10
"""
Bytes of DATA made between two writes, and written in one turn of the loop: what is made later
stands behind them, and to copy them into the system takes a tenth of a millisecond.
"""

UNSENT: Final = 128 << 10
"""
Bytes that the system takes of a connection before they can be sent. By itself it takes megabytes
from whoever writes faster than the peer reads, and an event would stand behind all of them.
"""

MAX_GZIP_MEMBERS: Final = 16
"""Members of a compressed message: an empty one has twenty bytes and costs a new inflater."""

REMEMBERED_STREAMS: Final = 1000
"""Streams ended by us for which frames still under way are passed over in silence."""

MAX_HTTP1_HEAD: Final = (1 << 20) + 4096
"""Bytes of the head of an HTTP/1.1 request, and of the trailers behind its chunks, as in Go."""

MAX_HTTP1_FIELDS: Final = 4096
"""Fields of a head, or of trailers: each costs far more than the four bytes it may have."""

MAX_LARGE_HEADS: Final = 64
"""Connections on which the head of a request has more than ``HTTP1_AHEAD`` bytes and no end yet:
one alone costs little, and ten thousand would be ten gigabytes."""

MAX_CHUNK_LINE: Final = 4096
"""Bytes of a chunk's size with its extensions, or of a trailer, as in Go."""

HTTP1_AHEAD: Final = 64 << 10
"""Bytes that wait to be read, of a body or of requests sent ahead, before we stop reading."""

HTTP1_BODY_ROOM: Final = 256 << 20
"""Bytes of bodies that are wanted whole and still come, over all connections. Beyond these, who has
sent more than ``HTTP1_AHEAD`` of one and sends on is refused."""

HTTP1_DISCARDED: Final = 256 << 10
"""Bytes of a body nobody has asked for that are read for the sake of the connection, as in Go."""

HTTP1_HEAD_SECONDS: Final = 300.0
"""Time for the head of a request to be completed (etcd: ``ReadHeaderTimeout``)."""

HTTP1_BODY_SECONDS: Final = 300.0
"""Time for a body that is wanted whole, as it is kept until then."""

HTTP1_LEAVING_SECONDS: Final = 1.0
"""How long a request may still run when its client has said that it sends no more. One that has
closed looks the same, and nobody waits for its answer."""

LISTEN_BACKLOG: Final = 4096
"""Connections that may wait to be accepted: a thousand clients may come at once. Go takes the
system's maximum, to which listen(2) cuts this down."""

FIRST_FRAMES_SECONDS: Final = 10.0
"""Time for the preface with the first SETTINGS, and for each header block to be completed."""

STALLED_STREAM_SECONDS: Final = 60.0
"""An answered stream whose peer grants no window is cut: it only pins its answer."""

PRESSED_STREAM_SECONDS: Final = 10.0
"""The same while the memory budget is used up to the brim, and its connection holds much of it."""

STALLED_WRITE_SECONDS: Final = 20.0
"""A connection that takes no byte of what is to be written is dead."""

UNHURRIED_SECONDS: Final = 0.03
"""How long the acknowledgement of a PING waits for a reply to be written with. grpc-go's clients
send one with nearly each request, to measure bandwidth, and a write of its own is half of what it
costs to answer a Put. With a hundred clients the reply to a write takes ten milliseconds or so."""

LINGER_SECONDS: Final = 1.0
"""After a final GOAWAY we still read, so that a TCP reset does not overtake it."""


class ServerOptions(NamedTuple):
    """
    What the owner of a server may choose. Times are in seconds, sizes in bytes.

    Attributes:
        max_receive_message: Longest request message, before and after decompression.
        max_concurrent_streams: Advertised per connection; None advertises nothing.
        keepalive_interval: Silence after which a peer is pinged; 0 never pings.
        keepalive_timeout: Silence after that ping which ends the connection.
        keepalive_min_time: Least time between a peer's pings while calls are open.
        stopped_message: Details of the UNAVAILABLE status when the server stops.
        full_message: Details of the RESOURCE_EXHAUSTED status when its memory budget is used up.
        max_http_body: Longest body of a request that is not gRPC.
        streamed_paths: Of requests over HTTP/2 that are not gRPC, those whose handlers take bodies
            as they come.
        max_connections: How many may be open at a time; more of them wait in the system's queue
            until others are closed. None is any number.

    """

    max_receive_message: int = 4 << 20
    max_concurrent_streams: int | None = None
    keepalive_interval: float = 7200.0
    keepalive_timeout: float = 20.0
    keepalive_min_time: float = 5.0
    stopped_message: str = "server stopped"
    full_message: str = "memory budget exceeded"
    max_http_body: int = 4 << 20
    streamed_paths: frozenset[str] = frozenset()
    max_connections: int | None = None

    @property
    def live_streams(self) -> int:
        """Streams that one connection may have open."""
        if self.max_concurrent_streams is None:
            return MAX_LIVE_STREAMS
        return self.max_concurrent_streams

    def is_streamed(self, path: str) -> bool:
        """Return whether a handler takes bodies as they come that are sent to ``path``."""
        return path.partition("?")[0] in self.streamed_paths
