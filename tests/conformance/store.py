"""The state every scenario starts from, and the revisions in it."""

from __future__ import annotations

from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.messages import EVERYTHING, compare, delete, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import RANGE_STREAM, Call, Outcome


class Store:
    """Puts a=1, b=2, c=3, a=9 on an otherwise empty store, on both servers.

    On a new store these are revisions 2 to 5: a {create 2, mod 5, version 2}, b {3, 3, 1} and
    c {4, 4, 1}. Servers are used again, so a scenario names such a revision ``rev(2)``.
    """

    def __init__(self, pair: Pair) -> None:
        # At least one deletion, so that rev(1) is a revision at which nothing is there.
        pair.send(txn(put(b"gone")))
        emptied = pair.send(delete(*EVERYTHING)).reply.header.revision
        self._offset: int = emptied - 1
        self.pair = pair
        for key, value in ((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"9")):
            pair.send(put(key, value))

    def rev(self, number: int) -> int:
        """Return the revision here that is ``number`` on a store that was new."""
        return self._offset + number

    def send(self, request: Message | Call) -> Outcome:
        """Send a request to both servers and return what both answered."""
        return self.pair.send(request)

    def error(self, request: Message | Call) -> tuple[str, str] | None:
        """Send a request to both servers and return how both refused it, None if they did not."""
        return self.pair.send(request).error

    def stream(self, request: pb.RangeRequest) -> Outcome:
        return self.pair.send(Call(RANGE_STREAM, request))

    def head(self) -> int:
        """Return the current revision, relative as in ``rev``: 5 to begin with."""
        header = self.send(txn(when=[compare(b"a", "VERSION", "LESS")])).reply.header
        relative: int = header.revision - self._offset
        return relative
