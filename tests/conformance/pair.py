"""Two servers that get the same requests: the one under test and a real etcd.

Both see the same history, so their revisions, IDs and terms are equal too, and a reply's very
bytes must be. What a real etcd of another version answers differently is put right first, by
the table in ``differences``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import unified_diff
from functools import partial
from itertools import islice
from typing import Literal

from google.protobuf.message import DecodeError, Message

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences
from tests.conformance.peers import Call, Outcome, Peer
from tests.support import http1
from tests.support.servers import Server

SubjectKind = Literal["native", "grpcio", "etcd"]

# Requests that wait for an answer, of those whose answers are not looked at.
MOST_AT_ONCE = 100

# Lines of a difference that are worth reading.
MOST_LINES = 100


class MismatchError(AssertionError):
    """The server under test did not answer as a real etcd does.

    Attributes:
        calls: What a test had sent until then, if it keeps account.
    """

    calls: Sequence[Call] = ()

    def __init__(self, asked: str, expected: Sequence[str], got: Sequence[str]) -> None:
        lines = unified_diff(expected, got, "etcd's answer", "the answer", lineterm="", n=9)
        shown = "\n".join(line[:400] for line in islice(lines, MOST_LINES))
        super().__init__(f"\n{asked}\n{shown}")


class Pair:
    """Sends each request to both servers and compares everything a client can see.

    Answers of the subject are taken as they are, unless it is etcd itself, which has differences
    of its own to put right, or grpcio answers for it.

    Attributes:
        kind: What the subject is.
        version: The reference's.
    """

    def __init__(self, subject: Server, reference: Server, kind: SubjectKind = "native") -> None:
        self._servers = (subject, reference)
        self.kind = kind
        self._connect()

    def send(self, request: Message | Call) -> Outcome:
        """Return the answer both servers gave.

        Raises:
            MismatchError: If they differ.
        """
        call = request if isinstance(request, Call) else Call.of(request)
        answer = self._start(call)
        expected = differences.comparable(self._ask(call))
        got = differences.comparable(answer())
        if expected != got:
            raise MismatchError(shown(call), _lines(expected), _lines(got))
        return got

    def send_often(self, request: Message, times: int) -> None:
        """Have both servers accept a request again and again, many at once: the disk is slow."""
        call = Call.of(request)
        for peer in self.peers:
            for first in range(0, times, MOST_AT_ONCE):
                answers = [peer.start(call) for _ in range(first, min(first + MOST_AT_ONCE, times))]
                for answer in answers:
                    assert answer().error is None

    def watch(
        self, request: pb.WatchCreateRequest, responses: int, since: differences.Version = ()
    ) -> list[pb.WatchResponse]:
        """Return the first responses to a watch, which both servers gave alike.

        An etcd of a version before ``since`` does not send them, and is not asked.
        """
        got = self._subject.watch(request, responses)
        if self.version >= since:
            expected = self._reference.watch(request, responses)
            assert got == expected, f"{expected} != {got}"
        return got

    def history(self, first: int, last: int) -> list[mvccpb.Event]:
        """Return the events of these revisions, of which both servers tell alike."""
        # How many events come in one response is left to the server: only their order counts.
        expected = self._reference.history(first, last)
        got = self._subject.history(first, last)
        if expected != got:
            asked = f"events from {first} to {last}"
            raise MismatchError(asked, _event_lines(expected), _event_lines(got))
        return got

    @property
    def peers(self) -> tuple[Peer, Peer]:
        """The server under test and the real etcd, until either is started again."""
        return self._subject, self._reference

    def restart(self, pause: float = 0.0) -> None:
        """Stop both servers in an orderly way and start them, later, on the same data."""
        self.close()
        for server in self._servers:
            server.stop()
        time.sleep(pause)
        for server in self._servers:
            server.start()
        self._connect()

    def crash(self) -> None:
        """Kill both servers and start them on the same data.

        An etcd that a kill would confuse is stopped in an orderly way instead.
        """
        self.close()
        subject, reference = self._servers
        subject.kill()
        if self.version < differences.SURVIVES_KILLS:
            reference.stop()
        else:
            reference.kill()
        for server in self._servers:
            server.start()
        self._connect()

    def watchers_of_etcd(self) -> int:
        """Return how many watchers the real etcd has, its own services' included."""
        page = http1.get(self._servers[1].address, "/metrics").body.decode()
        (told,) = re.findall(r"^etcd_debugging_mvcc_watcher_total (\d+)$", page, re.MULTILINE)
        return int(told)

    def settle(self) -> None:
        """Clear alarms and bring both servers to one revision, after whatever a test left."""
        peers = (self._subject, self._reference)
        for peer in peers:
            _disarm(peer)
        heads = [_head(peer) for peer in peers]
        for peer, head in zip(peers, heads, strict=True):
            for _ in range(max(heads) - head):
                peer.send(Call.of(pb.PutRequest(key=b"behind")))

    def close(self) -> None:
        self._subject.close()
        self._reference.close()

    def _connect(self) -> None:
        self._subject, self._reference = (Peer(server.address) for server in self._servers)
        self._ask = differences.corrected(self._reference)
        self.version = differences.version_of(self._reference)
        self._own_ask = differences.corrected(self._subject) if self.kind == "etcd" else None

    def _start(self, call: Call) -> Callable[[], Outcome]:
        """Send a call to the subject, which is busy with it while the reference is."""
        if self._own_ask:
            return partial(self._own_ask, call)
        answer = self._subject.start(call)
        if self.kind == "grpcio":
            return lambda: differences.in_etcds_words(answer())
        return answer


def _disarm(peer: Peer) -> None:
    for reply in peer.send(Call.of(pb.AlarmRequest())).replies:
        for alarm in reply.alarms:
            request = pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE)
            request.memberID, request.alarm = alarm.memberID, alarm.alarm
            peer.send(Call.of(request))


def _head(peer: Peer) -> int:
    revision: int = peer.send(Call.of(pb.RangeRequest(key=b"\0"))).reply.header.revision
    return revision


def shown(call: Call) -> str:
    """Return a request as a reader wants to see it, long parts cut short."""
    if isinstance(call.request, bytes):
        return f"{call.method.path} {len(call.request)} bytes: {call.request[:200].hex()}"
    text = short(call.request)
    return f"{call.method.path}\n{text if len(text) < 8000 else text[:8000] + '...'}"


def _lines(outcome: Outcome) -> list[str]:
    shown = [str(outcome.error or "OK")]
    with suppress(DecodeError):  # such as one nested too deep for Python's protobuf
        shown += map(short, outcome.replies)
    # The same messages may still be put in other bytes.
    shown += [payload.hex() for payload in outcome.payloads]
    return "\n".join(shown).split("\n")


def _event_lines(events: list[mvccpb.Event]) -> list[str]:
    return "\n".join(map(short, events)).split("\n")


def short(message: Message) -> str:
    """Return a message as text, with runs of one character cut short."""
    return re.sub(r"(\w)\1{40,}", lambda run: f"{run[1]}*{len(run[0])}", str(message))
