"""
gRPC messages in a stream of bytes (gRPC over HTTP/2, "Length-Prefixed-Message").

    +----------------+-------------------+---------+
    | compressed (8) | length (32)       | message |
    +----------------+-------------------+---------+
"""

import zlib
from collections.abc import Iterable
from struct import Struct
from typing import Final

from etcdpy.cooperative import Pieces, Steps, finish
from etcdpy.memory import UNCOUNTED, Account
from etcdpy.transport.grpc.status import INTERNAL, RESOURCE_EXHAUSTED, ProtocolStatus
from etcdpy.transport.http2.frames import FRAME_HEAD
from etcdpy.transport.limits import MAX_GZIP_MEMBERS

PREFIX: Final = Struct(">BI")
PREFIX_SIZE: Final = 5

DEFLATED_PER_STEP: Final = 64 << 10
"""Bytes of a message compressed in one turn of the loop: about two milliseconds."""

NOTED_FROM: Final = 1024
"""Bytes that are kept before an account is told of them: fewer than a stream itself takes."""

GZIP_WINDOW: Final = 31
"""zlib's wbits for the gzip format and no other."""


class JoinedMessages:
    """
    Messages that go out together, on many streams: each in a DATA frame of its own.

    Some clients read but one message of a frame (EtcdEx, on Mint), so a frame has no more. What
    is written is made once for all streams of one number, and equal clients number theirs alike.

    Args:
        messages: Each in two parts, not compressed, and small enough for one frame.

    Attributes:
        messages: The same with their prefixes.
        size: What they count for in flow control, in bytes.

    """

    __slots__ = ("_framed", "messages", "size")

    MOST_KNOWN: Final = 16
    """Stream numbers whose frames are remembered: clients with more are not alike."""

    def __init__(self, messages: Iterable[tuple[bytes, bytes]]) -> None:
        self.messages = [
            b"%b%b%b" % (PREFIX.pack(0, len(start) + len(body)), start, body)
            for start, body in messages
        ]
        self.size = sum(map(len, self.messages))
        self._framed: dict[int, bytes] = {}

    def framed(self, stream_id: int) -> bytes:
        """Return the frames for a stream."""
        framed = self._framed.get(stream_id)
        if framed is None:
            pack = FRAME_HEAD.pack
            framed = b"".join(
                [pack(len(message) << 8, 0, stream_id) + message for message in self.messages]
            )
            if len(self._framed) < self.MOST_KNOWN:
                self._framed[stream_id] = framed
        return framed


class MessageReader:
    """
    Cuts messages out of what arrives. Bytes are kept until they are asked for as messages,
    so that many tiny messages cost no more than their bytes.

    Args:
        limit: Longest message.
        is_gzip: Whether they may be compressed.
        account: What is kept is put to it, to about a kilobyte.

    Attributes:
        noted: How many bytes of it the account knows of.

    """

    __slots__ = ("_account", "_buffer", "_is_gzip", "_limit", "noted")

    def __init__(self, limit: int, *, is_gzip: bool, account: Account = UNCOUNTED) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._is_gzip = is_gzip
        self._account = account
        self.noted = 0

    @property
    def buffered(self) -> int:
        """The bytes not yet returned."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """How many bytes the first message still lacks, 0 if not even its length is here."""
        if len(self._buffer) < PREFIX_SIZE:
            return 0
        return max(0, PREFIX_SIZE + int(PREFIX.unpack_from(self._buffer)[1]) - len(self._buffer))

    def feed(self, data: bytes) -> None:
        """Take the payload of a DATA frame."""
        self._buffer += data
        if len(self._buffer) - self.noted >= NOTED_FROM:
            self._note()

    def _note(self) -> None:
        """Tell the account how much is kept."""
        before, self.noted = self.noted, len(self._buffer)
        if self.noted > before:
            self._account.add(self.noted - before)
        else:
            self._account.give(before - self.noted)

    def take_all(self) -> bytes:
        """Return everything as it is, and remove it."""
        data = bytes(self._buffer)
        self.discard()
        return data

    def discard(self) -> int:
        """Drop everything and return how many bytes that was."""
        dropped = len(self._buffer)
        self._buffer.clear()
        if self.noted:
            self._note()
        return dropped

    def next(self) -> bytes | None:
        """
        Return the first message and remove it, or None if it is not complete.

        Raises:
            ProtocolStatus: It cannot be accepted. The reader must not be used again.

        """
        message, is_compressed = self.next_as_sent()
        if message is None or not is_compressed:
            return message
        return decompress(message, self._limit)

    def next_as_sent(self) -> tuple[bytes | None, bool]:
        """
        Do the same, but inflate nothing; tell whether it is compressed.

        Raises:
            ProtocolStatus: It cannot be accepted. The reader must not be used again.

        """
        buffer = self._buffer
        if len(buffer) < PREFIX_SIZE:
            return None, False
        flag, length = PREFIX.unpack_from(buffer)
        check_prefix(flag, length, self._limit, is_gzip=self._is_gzip)
        end = PREFIX_SIZE + length
        if len(buffer) < end:
            return None, False
        # A view saves a copy. It has to be released before the bytearray can shrink.
        with memoryview(buffer) as view:
            message = bytes(view[PREFIX_SIZE:end])
        del buffer[:end]
        if self.noted:
            self._note()
        return message, bool(flag)


def is_one_message(data: bytes, limit: int) -> bool:
    """Tell whether bytes are one message with its prefix, not compressed, and nothing else."""
    if len(data) < PREFIX_SIZE:
        return False
    is_compressed, length = PREFIX.unpack_from(data)
    return not is_compressed and length == len(data) - PREFIX_SIZE and length <= limit


def check_prefix(flag: int, length: int, limit: int, *, is_gzip: bool) -> None:
    """
    Check the prefix of a message, before any of its body is here.

    Raises:
        ProtocolStatus: In grpc-go's words and order.

    """
    if length > limit:
        raise ProtocolStatus(
            RESOURCE_EXHAUSTED,
            f"grpc: received message larger than max ({length} vs. {limit})",
        )
    if flag == 1 and not is_gzip:
        raise ProtocolStatus(INTERNAL, "grpc: compressed flag set with identity or empty encoding")
    if flag > 1:
        raise ProtocolStatus(INTERNAL, f"grpc: received unexpected payload format {flag}")


def decompress(message: bytes, limit: int) -> bytes:
    """
    Inflate a gzip'd message, never beyond one byte more than ``limit``.

    Raises:
        ProtocolStatus: Not gzip, cut short, or too big.

    """
    inflated = bytearray()
    rest = message
    # A gzip file is one or more members; so Go reads it.
    for _ in range(MAX_GZIP_MEMBERS):
        inflater = zlib.decompressobj(wbits=GZIP_WINDOW)
        try:
            # A byte more than allowed shows that it is too much. Never 0: that is no limit to zlib.
            inflated += inflater.decompress(rest, limit + 1 - len(inflated))
        except zlib.error as error:
            raise _failed(_go_reason(rest, error)) from None
        if len(inflated) > limit:
            size = len(inflated)
            raise ProtocolStatus(
                RESOURCE_EXHAUSTED,
                f"grpc: message after decompression larger than max ({size} vs. {limit})",
            )
        if not inflater.eof:
            raise _failed("unexpected EOF")
        rest = inflater.unused_data
        if not rest:
            return bytes(inflated)
    raise _failed("too many gzip members")


def _failed(reason: str) -> ProtocolStatus:
    return ProtocolStatus(INTERNAL, f"grpc: failed to decompress the message: {reason}")


def _go_reason(data: bytes, error: zlib.error) -> str:
    if data[:2] != b"\x1f\x8b"[: len(data)]:
        return "gzip: invalid header"
    text = str(error)
    return "gzip: invalid checksum" if "check" in text else f"flate: corrupt input ({text})"


def compress(message: bytes | Pieces) -> tuple[bytes, bytes]:
    """Return the prefix and body of a message on a stream that uses gzip."""
    return finish(compress_steps(message))


def is_long(response: object) -> bool:
    """Return whether an encoded message is so long that it is to be compressed in slices."""
    return isinstance(response, (bytes, Pieces)) and len(response) > DEFLATED_PER_STEP


def compress_steps(message: bytes | Pieces) -> Steps[tuple[bytes, bytes]]:
    """Do what ``compress`` does, in slices of a millisecond or two."""
    if not message:  # grpc-go leaves an empty message as it is
        return PREFIX.pack(0, 0), b""
    deflater = zlib.compressobj(wbits=GZIP_WINDOW)
    parts: list[bytes] = []
    spent = 0
    for piece in message.pieces if isinstance(message, Pieces) else (message,):
        for start in range(0, len(piece), DEFLATED_PER_STEP):
            if spent >= DEFLATED_PER_STEP:
                yield
                spent = 0
            part = piece[start : start + DEFLATED_PER_STEP]
            parts.append(deflater.compress(part))
            spent += len(part)
    parts.append(deflater.flush())
    body = b"".join(parts)
    return PREFIX.pack(1, len(body)), body
