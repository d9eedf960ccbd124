"""
Responses that take more than one turn of the loop: those made while they are sent, and compressed.

Each function goes on where a handler has returned, and what it returns ends the call. They wait
where blocks end, which compiled code may not: C keeps what was raised there.
"""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import Any, NamedTuple

from etcdpy.cooperative import LongReply, Pieces
from etcdpy.memory import Loan
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.deflating import deflated, deflated_pieces

__all__ = ["Compressed", "Sent", "compress_long", "compressed", "send_long"]


class Compressed(NamedTuple):
    """What a handler has returned, and the prefix and body of the message made of it."""

    response: Any
    message: tuple[bytes, bytes | Pieces]


class Sent(NamedTuple):
    """A response that was sent already, but for its status."""

    reply: LongReply


async def compressed(call: Context, response: bytes | Pieces) -> Compressed:
    """Compress a response, which counts as held meanwhile."""
    with closing(Loan(call.channel.sender.account)) as loan:
        loan.keep(len(response))
        return Compressed(response, await deflated(response))


async def compress_long(call: Context, reply: LongReply) -> Compressed:
    """
    Compress a response while it is made.

    Raises:
        MemoryBudgetError: What comes of it has no room.

    """
    async with aclosing(reply.pieces) as pieces:
        with closing(Loan(call.channel.sender.account)) as loan:
            return Compressed(reply, await deflated_pieces(pieces, loan.take))


async def send_long(call: Context, reply: LongReply) -> Sent:
    """
    Send a response while it is made, no faster than it is taken.

    Raises:
        RuntimeError: The call has ended, or the response was not what it said it would be.

    """
    sender, left = call.channel.sender, len(reply)
    async with aclosing(reply.pieces) as pieces:
        try:
            async for piece in pieces:
                if call.is_answered:
                    raise RuntimeError("the call has ended")
                if len(piece) > left:
                    break
                if left == len(reply):
                    sender.begin(call, left, piece)
                else:
                    sender.go_on(call, piece)
                left -= len(piece)
                # It is the sender's alone.
                del piece
                call.channel.touch()
                if not sender.has_room(call):
                    await call.room()
            if left:
                raise RuntimeError(f"a response of {len(reply)} bytes lacks {left} of them")
        except Exception:
            sender.give_up(call)
            raise
    return Sent(reply)
