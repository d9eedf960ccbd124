"""What a connection holds is put to the server's budget of memory, and bounded by it."""

from __future__ import annotations

import gc
import weakref

from etcdpy.memory import LITTLE, Account, Budget
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import (
    COPIES,
    FREE_STREAMS,
    LARGE_HEAD,
    LARGE_REQUEST,
    PRESSED_STREAM_SECONDS,
    STREAM_SIZE,
    STREAMS_AT_ONCE,
)

from ..peer import Peer, message

RESOURCE_EXHAUSTED = 8

#: Requests of so many bytes come in several frames.
SIZE = 100_000
BODY = message(bytes(SIZE))
PIECE = 16_000


def joined(limit: int = 1 << 40, *, waits: bool = False, windows: int = 65535) -> Peer:
    """Return a peer of a connection with a budget, which takes little unless it says so."""
    peer = Peer(settings=[(frames.INITIAL_WINDOW_SIZE, windows)])
    peer.join(Budget(limit))
    peer.waits_for_room = waits
    return peer


def budget(peer: Peer) -> Budget:
    return peer.connection.unread.budget


def send(peer: Peer, stream: int, data: bytes, *, end: bool = False) -> None:
    """Send DATA in frames."""
    for start in range(0, len(data), PIECE):
        is_last = start + PIECE >= len(data)
        peer.data(stream, data[start : start + PIECE], end=end and is_last)


def begin(peer: Peer, data: bytes, *, end: bool = False) -> int:
    stream = peer.open("/test.Echo/Unary")
    send(peer, stream, data, end=end)
    return stream


def started(peer: Peer) -> Context:
    """Return the last call whose handler was called."""
    return peer.call_handler.unary[-1][0]


def answer(peer: Peer, body: bytes = b"") -> None:
    call = started(peer)
    call.channel.sender.reply(call, body)
    peer.read()


def test_incomplete_request_counts_as_far_as_it_is_there() -> None:
    peer = joined()
    stream = begin(peer, BODY[:-PIECE])
    assert budget(peer).used == len(BODY) - PIECE
    send(peer, stream, BODY[-PIECE:-1])
    assert budget(peer).used == len(BODY) - 1


def test_request_counts_several_times_while_it_is_worked_on_and_not_at_all_then() -> None:
    peer = joined()
    begin(peer, BODY, end=True)
    assert budget(peer).used == COPIES * SIZE
    answer(peer)
    assert budget(peer).used == 0


def test_request_of_one_frame_counts_if_it_is_not_small() -> None:
    peer = joined()
    peer.call(bytes(LARGE_REQUEST - 1))
    assert budget(peer).used == 0
    peer.call(bytes(LARGE_REQUEST))
    assert budget(peer).used == COPIES * LARGE_REQUEST
    answer(peer, b"it")
    assert budget(peer).used == 0


def test_request_counts_no_more_once_its_answer_waits_for_the_window() -> None:
    peer = joined(windows=10)
    begin(peer, BODY, end=True)
    answer(peer, bytes(1000))
    assert peer.connection.unread.held == 0
    assert budget(peer).used == peer.connection.sender.queued > 900


def test_streams_that_end_in_the_middle_count_no_more() -> None:
    peer = joined()
    reset, complete = begin(peer, BODY[:-1]), begin(peer, BODY, end=True)
    for stream in (reset, complete):
        peer.send(frames.frame(frames.RST_STREAM, 0, stream, bytes(4)))
    assert budget(peer).used == 0


def test_connection_that_is_gone_holds_nothing() -> None:
    peer = joined(windows=10)
    begin(peer, BODY[:-1])
    begin(peer, BODY, end=True)
    answer(peer, bytes(1000))
    memory = budget(peer)
    assert memory.used > SIZE
    peer.connection.lost()
    peer.connection.leave()
    assert memory.used == 0


def test_connection_that_is_gone_keeps_none_of_its_calls() -> None:
    peer = joined(windows=1 << 20)
    begin(peer, BODY, end=True)
    peer.connection.sender.pause()
    answer(peer, bytes(SIZE))
    open_call = weakref.ref(started(peer))
    peer.call_handler.unary.clear()
    gc.disable()
    try:
        peer.connection.lost()
        peer.connection.leave()
        peer.call_handler.cancelled.clear()
        assert open_call() is None
    finally:
        gc.enable()


def test_what_is_too_much_is_refused_and_what_is_there_goes_on() -> None:
    peer = joined(limit=4 * SIZE)
    first, second = begin(peer, BODY[:-PIECE]), begin(peer, BODY[:-PIECE])
    assert peer.reply(second).status == (RESOURCE_EXHAUSTED, "memory budget exceeded")
    assert budget(peer).refusals == 1
    assert not peer.reply(first).blocks
    send(peer, first, BODY[-PIECE:], end=True)
    answer(peer)
    assert peer.reply(first).status == (0, "")
    # Nor is it the client's fault.
    assert not [arrived for arrived in peer.frames if arrived.kind == frames.GOAWAY]


def test_what_is_too_much_is_waited_for_if_that_may_help() -> None:
    peer = joined(limit=4 * SIZE, waits=True)
    begin(peer, BODY[:-1])
    second = begin(peer, BODY[:-1])
    assert not peer.reply(second).blocks
    assert budget(peer).refusals == 0


def test_small_requests_pass_while_a_connection_holds_too_much() -> None:
    peer = joined(limit=4 * SIZE)
    Account(budget(peer)).add(4 * SIZE + 1)
    stream = peer.call(b"small")
    answer(peer, b"it")
    assert peer.reply(stream).body == message(b"it")
    assert budget(peer).refusals == 0


def test_nothing_is_started_while_too_much_waits_to_be_sent() -> None:
    peer = joined(limit=4 * SIZE, windows=10)
    peer.call(b"first")
    answer(peer, bytes(2 * SIZE))
    first = started(peer)
    peer.call(b"second")
    assert started(peer) is first
    assert peer.connection.sender.is_congested
    # As soon as the client has taken some, or another one has given some back.
    peer.send(frames.frame(frames.WINDOW_UPDATE, 0, 0, (4 * SIZE).to_bytes(4, "big")))
    peer.send(frames.frame(frames.WINDOW_UPDATE, 0, 1, (2 * SIZE).to_bytes(4, "big")))
    assert started(peer) is not first
    assert not peer.connection.sender.is_congested


def test_it_goes_on_when_others_have_given_enough_back() -> None:
    peer = joined(limit=8 * LITTLE, windows=10)
    other = Account(budget(peer))
    other.add(2 * LITTLE)
    peer.call(b"first")
    answer(peer, bytes(3 * LITTLE // 2))
    first = started(peer)
    peer.call(b"second")
    assert started(peer) is first
    other.give(2 * LITTLE)
    assert started(peer) is not first


def test_answer_that_does_not_move_is_given_up_sooner_when_others_need_the_room() -> None:
    peer = joined(limit=8 * LITTLE, windows=10)
    stream = peer.call(b"first")
    answer(peer, bytes(3 * LITTLE // 2))
    peer.tick(1)
    peer.tick(PRESSED_STREAM_SECONDS)
    assert peer.reply(stream).reset is None
    Account(budget(peer)).add(5 * LITTLE)
    peer.tick(1)
    assert peer.reply(stream).reset == frames.CANCEL
    assert budget(peer).used == 5 * LITTLE


class TestStreams:
    def test_few_count_for_nothing_and_more_in_steps(self) -> None:
        peer = joined()
        for _ in range(FREE_STREAMS):
            peer.open()
        assert budget(peer).used == 0
        peer.open()
        assert budget(peer).used == STREAMS_AT_ONCE * STREAM_SIZE
        for _ in range(STREAMS_AT_ONCE):
            peer.open()
        assert budget(peer).used == 2 * STREAMS_AT_ONCE * STREAM_SIZE

    def test_that_are_complete_at_once_count_as_well(self) -> None:
        peer = joined()
        for _ in range(FREE_STREAMS + 1):
            peer.call(b"x")
        assert budget(peer).used == STREAMS_AT_ONCE * STREAM_SIZE

    def test_are_refused_beyond_the_share_until_others_end(self) -> None:
        most = FREE_STREAMS + 4 * STREAMS_AT_ONCE
        # One alone has a quarter of the budget.
        peer = joined(4 * 4 * STREAMS_AT_ONCE * STREAM_SIZE)
        streams = [peer.open() for _ in range(most + 2)]
        resets = [peer.reply(stream).reset for stream in streams]
        assert resets == [None] * most + [frames.REFUSED_STREAM] * 2
        assert budget(peer).refusals == 2
        peer.send(frames.rst_stream(streams[0], frames.CANCEL))
        assert peer.reply(peer.open()).reset is None

    def test_are_given_back_by_and_by_when_they_have_ended(self) -> None:
        peer = joined()
        streams = [peer.open() for _ in range(FREE_STREAMS + 4 * STREAMS_AT_ONCE)]
        for stream in streams[FREE_STREAMS:]:
            peer.send(frames.rst_stream(stream, frames.CANCEL))
        peer.tick(1.0)
        assert budget(peer).used == STREAMS_AT_ONCE * STREAM_SIZE
        for stream in streams[:FREE_STREAMS]:
            peer.send(frames.rst_stream(stream, frames.CANCEL))
        peer.tick(1.0)
        assert budget(peer).used == 0

    def test_of_a_connection_that_is_gone_count_no_more(self) -> None:
        peer = joined()
        for _ in range(FREE_STREAMS + 1):
            peer.open()
        memory = budget(peer)
        peer.connection.lost()
        peer.connection.leave()
        assert memory.used == 0


class TestHeads:
    def test_large_one_counts_until_its_call_is_answered(self) -> None:
        peer = joined()
        stream = peer.open("/test.Echo/Unary", ("x-long", "v" * LARGE_HEAD))
        held = budget(peer).used
        assert LARGE_HEAD < held < 2 * LARGE_HEAD
        peer.data(stream, message(b"x"), end=True)
        assert budget(peer).used == held
        answer(peer)
        assert budget(peer).used == 0

    def test_large_one_counts_beside_the_request(self) -> None:
        peer = joined()
        stream = peer.open("/test.Echo/Unary", ("x-long", "v" * LARGE_HEAD))
        held = budget(peer).used
        send(peer, stream, BODY, end=True)
        assert budget(peer).used == held + COPIES * SIZE
        answer(peer)
        assert budget(peer).used == 0

    def test_others_count_for_nothing(self) -> None:
        peer = joined()
        peer.open("/test.Echo/Unary", ("x-long", "v" * (LARGE_HEAD // 2)))
        assert budget(peer).used == 0

    def test_large_one_beyond_the_share_is_refused(self) -> None:
        peer = joined(1 << 20)
        streams = [
            peer.open("/test.Echo/Unary", ("x-long", "v" * (8 * LARGE_HEAD // 3)))
            for _ in range(40)
        ]
        refused = [stream for stream in streams if peer.reply(stream).blocks]
        assert 0 < len(refused) < 20
        assert peer.reply(refused[0]).status[0] == RESOURCE_EXHAUSTED
        assert budget(peer).used <= 1 << 19
