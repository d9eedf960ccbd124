"""What goes out, in which order, and within which windows."""

import asyncio

import pytest

from etcdpy.cooperative import Pieces
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.messages import JoinedMessages
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import DATA, HEADERS
from etcdpy.transport.limits import CONNECTION_SEND_QUEUE, SEND_QUEUE, UNWRITTEN

from ..peer import Peer, message, parse

STREAM = "/test.Echo/Stream"


def joined(window: int = 65535, connection: int | None = None) -> Peer:
    """Return a peer with that initial window and room on the connection for more."""
    peer = Peer()
    if connection is None:
        connection = 1 << 24
    peer.send(
        frames.settings([(frames.INITIAL_WINDOW_SIZE, window)])
        + frames.window_update(0, connection)
    )
    peer.frames.clear()
    return peer


def streams(peer: Peer, count: int) -> list[Context]:
    for _ in range(count):
        peer.open(STREAM)
    return peer.call_handler.streams[-count:]


def write(peer: Peer, call: Context, body: bytes) -> None:
    peer.connection.sender.message(call, *call.encode(body))


class TestWindows:
    def test_message_waits_for_the_window_and_headers_do_not(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        write(peer, call, b"hello")
        peer.read()
        reply = peer.reply(call.stream_id)
        assert (len(reply.blocks), reply.data) == (1, [])
        peer.send(frames.window_update(call.stream_id, 7))
        assert reply.body == message(b"hello")[:7]
        peer.send(frames.window_update(call.stream_id, 100))
        assert reply.body == message(b"hello")

    def test_setting_moves_the_window_of_open_streams(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        write(peer, call, bytes(100))
        reply = peer.reply(call.stream_id)
        for window, sent in ((5, 5), (10, 10), (3, 10), (10, 10), (12, 12), (65535, 105)):
            peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, window)]))
            assert len(reply.body) == sent

    def test_window_that_is_taken_away_before_it_was_used_lets_nothing_through(self) -> None:
        peer = joined(window=0)
        first, second = streams(peer, 2)
        for call in (first, second):
            write(peer, call, bytes(100))
        wide, none = ([(frames.INITIAL_WINDOW_SIZE, window)] for window in (5, 0))
        peer.send(frames.settings(wide) + frames.settings(none))
        assert [peer.reply(call.stream_id).body for call in (first, second)] == [b"", b""]
        peer.send(frames.settings(wide))
        assert [len(peer.reply(call.stream_id).body) for call in (first, second)] == [5, 5]

    def test_refusal_comes_through_a_window_of_0(self) -> None:
        peer = joined(window=0)
        assert peer.reply(peer.open("/no.Such/Method")).status[0] == 12

    def test_trailers_follow_the_data(self) -> None:
        peer = joined(window=0)
        call_id = peer.call(b"hello")
        call, body = peer.call_handler.unary[0]
        peer.connection.sender.reply(call, body)
        peer.read()
        assert len(peer.reply(call_id).blocks) == 1
        peer.send(frames.window_update(call_id, 100))
        reply = peer.reply(call_id)
        assert (reply.body, reply.status, reply.is_ended) == (message(b"hello"), (0, ""), True)

    def test_status_of_another_stream_passes_an_exhausted_connection(self) -> None:
        peer = joined(window=1 << 20, connection=1)
        greedy, modest = streams(peer, 2)
        write(peer, greedy, bytes(100_000))
        peer.read()
        assert len(peer.reply(greedy.stream_id).body) == 65536
        peer.connection.sender.status(modest, 5, "not found")
        peer.read()
        assert peer.reply(modest.stream_id).status == (5, "not found")

    def test_reset_spends_no_window_on_what_was_queued(self) -> None:
        peer = joined(window=1 << 24, connection=1)
        first, second = streams(peer, 2)
        write(peer, first, bytes(1 << 20))
        peer.read()
        peer.send(frames.rst_stream(first.stream_id, frames.CANCEL))
        write(peer, second, b"small")
        peer.send(frames.window_update(0, 100))
        assert peer.reply(second.stream_id).body == message(b"small")
        assert peer.connection.sender.queued == 0

    def test_window_past_its_limit_by_a_setting(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        peer.send(frames.window_update(call.stream_id, 2**31 - 1))
        peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, 1)]))
        assert peer.goaway()[1] == frames.FLOW_CONTROL_ERROR


class TestJoinedMessages:
    JOINED = JoinedMessages([(b"o", b"ne"), (b"", b""), (b"two", b"")])

    def test_each_has_a_frame_of_its_own(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        write(peer, call, b"first")
        assert peer.connection.sender.try_joined(call, self.JOINED)
        peer.read()
        reply = peer.reply(call.stream_id)
        assert reply.data == [message(b) for b in (b"first", b"one", b"", b"two")]

    def test_they_take_their_size_from_the_windows(self) -> None:
        peer = joined(window=self.JOINED.size + len(message(b"first")))
        (call,) = streams(peer, 1)
        write(peer, call, b"first")
        assert peer.connection.sender.try_joined(call, self.JOINED)
        assert not peer.connection.sender.try_joined(call, self.JOINED)
        peer.send(frames.window_update(call.stream_id, self.JOINED.size))
        assert peer.connection.sender.try_joined(call, self.JOINED)

    @pytest.mark.parametrize("window", [10, 10 + len(message(b"first"))])
    def test_they_go_whole_or_not_at_all(self, window: int) -> None:
        peer = joined(window=window)
        (call,) = streams(peer, 1)
        write(peer, call, b"first")
        assert not peer.connection.sender.try_joined(call, self.JOINED)
        peer.send(frames.window_update(call.stream_id, 1000))
        assert peer.reply(call.stream_id).body == message(b"first")

    def test_they_wait_for_the_headers_and_end_with_the_call(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        assert not peer.connection.sender.try_joined(call, self.JOINED)
        write(peer, call, b"first")
        peer.connection.sender.status(call, 0, "")
        assert not peer.connection.sender.try_joined(call, self.JOINED)

    def test_what_is_larger_than_a_frame_does_not_go(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        write(peer, call, b"first")
        assert not peer.connection.sender.try_joined(call, JoinedMessages([(bytes(16380), b"")]))
        assert peer.connection.sender.try_joined(call, JoinedMessages([(bytes(16379), b"")]))


class TestFrames:
    def test_prefix_and_body_share_a_frame_and_messages_do_not(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        for body in (b"one", b"", b"three"):
            write(peer, call, body)
        peer.read()
        assert peer.reply(call.stream_id).data == [message(b"one"), message(b""), message(b"three")]

    def test_queued_messages_share_none_either(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        for body in (b"one", b"two"):
            write(peer, call, body)
        peer.send(frames.window_update(call.stream_id, 1000))
        assert peer.reply(call.stream_id).data == [message(b"one"), message(b"two")]

    def test_long_message_is_cut(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        write(peer, call, bytes(40_000))
        peer.read()
        sizes = [len(piece) for piece in peer.reply(call.stream_id).data]
        assert sizes == [16384, 16384, 40_005 - 2 * 16384]

    def test_streams_take_turns(self) -> None:
        peer = joined(window=1 << 20)
        first, second = streams(peer, 2)
        write(peer, first, bytes(60_000))
        write(peer, second, bytes(60_000))
        peer.read()
        order = [f.stream_id for f in peer.frames if f.kind == DATA]
        one, other = first.stream_id, second.stream_id
        # What is left of each at the end fits a frame, and then waits for nobody.
        assert order == [one, other, one, other, one, one, other, other]

    def test_table_size_update_opens_the_next_block_only(self) -> None:
        peer = joined()
        peer.call_handler.echoes = True
        peer.send(frames.settings([(frames.HEADER_TABLE_SIZE, 0)]))
        peer.frames.clear()
        peer.call(b"x")
        peer.call(b"x")
        blocks = [f.payload for f in peer.frames if f.kind == HEADERS]
        assert [block[:1] == b"\x20" for block in blocks] == [True, False, False, False]


class TestLongBesideShort:
    def written(self, peer: Peer) -> list[tuple[int, int]]:
        """Return stream and size of each DATA frame of the next write."""
        return [
            (frame.stream_id, len(frame.payload))
            for frame in parse(peer.connection.sender.take())
            if frame.kind == DATA
        ]

    def test_short_message_goes_before_all_of_a_long_one_that_is_not_written_yet(self) -> None:
        peer = joined(window=1 << 30, connection=1 << 30)
        *greedy, modest = streams(peer, 11)
        for call in greedy:
            write(peer, call, bytes(5 << 20))
        assert modest.stream_id not in dict(self.written(peer))
        write(peer, modest, b"event")
        assert self.written(peer)[0] == (modest.stream_id, len(message(b"event")))

    def test_short_reply_goes_before_it_too_and_ends(self) -> None:
        peer = joined(window=1 << 30, connection=1 << 30)
        peer.call_handler.echoes = True
        (greedy,) = streams(peer, 1)
        write(peer, greedy, bytes(5 << 20))
        stream, opening = peer.headers("/test.Echo/Unary")
        data = frames.frame(DATA, frames.END_STREAM, stream, message(b"small"))
        peer.connection.receive(opening + data, peer.now)
        found = list(parse(peer.connection.sender.take()))
        ends = [n for n, frame in enumerate(found) if frame.flags & frames.END_STREAM]
        longs = [n for n, f in enumerate(found) if f.stream_id == greedy.stream_id and f.kind == 0]
        assert [found[n].stream_id for n in ends] == [stream]
        assert ends[0] < longs[0]

    def test_little_of_a_long_message_is_made_ready_at_a_time(self) -> None:
        peer = joined(window=1 << 30, connection=1 << 30)
        (call,) = streams(peer, 1)
        write(peer, call, bytes(5 << 20))
        sender = peer.connection.sender
        assert sum(map(len, sender.out)) < 100
        total = 0
        while sender.has_more:
            output = sender.take()
            assert sum(map(len, sender.out)) == 0
            assert len(output) < UNWRITTEN + 20_000
            total += len(output)
        assert total > 5 << 20

    def test_short_messages_without_end_leave_a_long_one_half_of_each_write(self) -> None:
        peer = joined(window=1 << 30, connection=1 << 30)
        greedy, busy = streams(peer, 2)
        write(peer, greedy, bytes(5 << 20))
        for _ in range(10):
            while busy.outgoing is None or busy.outgoing.size < 10_000:
                write(peer, busy, bytes(995))
            written = self.written(peer)
            of_long = sum(size for stream, size in written if stream == greedy.stream_id)
            assert of_long >= UNWRITTEN // 2

    def test_short_streams_take_turns_with_long_ones_byte_for_byte(self) -> None:
        peer = joined(window=1 << 30, connection=1 << 30)
        greedy, *others = streams(peer, 101)
        write(peer, greedy, bytes(5 << 20))
        for call in others:
            write(peer, call, bytes(8187))
        kinds = ["long" if s == greedy.stream_id else "short" for s, _ in self.written(peer)]
        assert kinds[:6] == ["short", "short", "long", "short", "short", "long"]

    def test_message_in_pieces_is_one_message(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        pieces = Pieces([b"a" * 70_000, b"b" * 100, b"c" * 16384])
        peer.connection.sender.message(call, *call.encode(pieces))
        write(peer, call, b"next")
        peer.read()
        reply = peer.reply(call.stream_id)
        assert reply.body == message(bytes(pieces)) + message(b"next")
        assert reply.data[-1] == message(b"next")
        assert max(map(len, reply.data)) <= 16384

    def test_stop_between_pieces_of_a_message_resets(self) -> None:
        peer = joined(window=70_005, connection=1 << 20)
        (call,) = streams(peer, 1)
        pieces = Pieces([b"a" * 70_000, b"b" * 100])
        peer.connection.sender.message(call, *call.encode(pieces))
        peer.read()
        assert call.outgoing is not None
        assert (call.outgoing.offset, call.outgoing.size) == (0, 100)
        peer.connection.sender.cut(call, 4, "context deadline exceeded")
        peer.read()
        assert peer.reply(call.stream_id).reset == frames.CANCEL


class TestLongMessages:
    def test_message_that_comes_in_parts_is_one_message(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        parts = [b"a" * 70_000, b"b" * 100, b"c" * 16384]
        whole = b"".join(parts)
        sender.begin(call, len(whole), parts[0])
        for part in parts[1:]:
            peer.read()
            sender.go_on(call, part)
        write(peer, call, b"next")
        peer.read()
        assert peer.reply(call.stream_id).body == message(whole) + message(b"next")
        assert sender.owed == 0

    def test_status_behind_a_part_of_a_message_resets(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        sender.begin(call, 1000, b"part")
        peer.read()
        sender.status(call, 0, "")
        peer.read()
        assert peer.reply(call.stream_id).reset == frames.CANCEL
        assert sender.owed == 0

    def test_message_that_cannot_go_on_resets_if_a_part_was_sent(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        sender.begin(call, 1000, b"part")
        peer.read()
        sender.give_up(call)
        sender.give_up(call)
        sender.go_on(call, b"more")
        peer.read()
        assert peer.reply(call.stream_id).reset == frames.INTERNAL_ERROR
        assert peer.reply(call.stream_id).body == message(bytes(1000))[:5] + b"part"

    def test_message_of_which_nothing_was_sent_leaves_room_for_a_status(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        sender.begin(call, 1000, b"part")
        sender.give_up(call)
        sender.status(call, 11, "compacted")
        peer.read()
        assert peer.reply(call.stream_id).status == (11, "compacted")

    def test_nothing_long_is_begun_while_much_is_owed_and_all_else_is(self) -> None:
        peer = joined(window=1 << 20)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        sender.begin(call, CONNECTION_SEND_QUEUE + 100, b"part")
        peer.read()
        assert (sender.is_crowded, sender.is_congested) == (True, False)
        sender.drop(call)
        assert not sender.is_crowded


class TestRoom:
    def test_producer_waits_above_the_queues_limit(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        while sender.has_room(call):
            write(peer, call, bytes(1000))
        assert SEND_QUEUE <= sender.queued < SEND_QUEUE + 2000
        peer.send(frames.window_update(call.stream_id, 10_000))
        assert sender.has_room(call)

    def test_one_large_message_is_always_taken(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        assert peer.connection.sender.has_room(call)
        write(peer, call, bytes(1 << 20))
        assert not peer.connection.sender.has_room(call)

    def test_output_between_two_writes_is_bounded(self) -> None:
        peer = joined(window=(1 << 31) - 1)
        peer.send(frames.window_update(0, 1 << 30))
        (call,) = streams(peer, 1)
        for _ in range(1000):
            write(peer, call, bytes(16_000))
        output = peer.connection.sender.take()
        assert UNWRITTEN // 2 < len(output) < UNWRITTEN + 20_000

    def test_nothing_is_sent_while_tcp_is_full(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        peer.connection.sender.pause()
        write(peer, call, b"hello")
        peer.read()
        assert peer.reply(call.stream_id).data == []
        peer.connection.resume()
        peer.read()
        assert peer.reply(call.stream_id).data == [message(b"hello")]


class TestEnds:
    def test_stop_between_messages_leaves_a_status(self) -> None:
        peer = joined(window=0)
        (call,) = streams(peer, 1)
        write(peer, call, b"never sent")
        peer.connection.sender.cut(call, 4, "context deadline exceeded")
        peer.read()
        assert peer.reply(call.stream_id).status == (4, "context deadline exceeded")

    def test_stop_within_a_message_resets(self) -> None:
        peer = joined(window=3)
        (call,) = streams(peer, 1)
        write(peer, call, b"partly sent")
        peer.read()
        peer.connection.sender.cut(call, 4, "context deadline exceeded")
        peer.read()
        assert peer.reply(call.stream_id).reset == frames.CANCEL

    def test_status_is_decided_once(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        sender = peer.connection.sender
        sender.status(call, 5, "first")
        sender.status(call, 6, "second")
        write(peer, call, b"late")
        peer.read()
        reply = peer.reply(call.stream_id)
        assert (reply.status, len(reply.blocks), reply.data) == ((5, "first"), 1, [])

    def test_status_that_the_peer_would_not_take_is_a_reset(self) -> None:
        peer = Peer(settings=[(frames.MAX_HEADER_LIST_SIZE, 50)])
        stream = peer.open("/no.Such/Method")
        assert peer.reply(stream).reset == frames.INTERNAL_ERROR

    def test_metadata_that_cannot_be_sent_does_not_cost_the_status(self) -> None:
        peer = joined()
        (call,) = streams(peer, 1)
        peer.connection.sender.status(call, 5, "told", [("BAD KEY", "x")])
        peer.read()
        assert peer.reply(call.stream_id).status == (5, "told")

    @pytest.mark.parametrize("count", [10, 1500])
    def test_streams_ended_by_us_are_remembered_for_a_while(self, count: int) -> None:
        peer = joined()
        for _ in range(count):
            peer.open("/no.Such/Method")
        assert len(peer.connection.sender.ended_by_us) == min(count, 1000)


async def test_whoever_waits_until_less_waits_to_be_sent_is_woken() -> None:
    peer = Peer()
    sender = peer.connection.sender
    sender._count(CONNECTION_SEND_QUEUE)
    assert sender.is_congested
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sender.eased.append(waiting)
    sender._count(1)
    assert not waiting.done()
    sender._count(-2)
    assert waiting.done()
    assert not sender.eased
