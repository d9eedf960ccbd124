"""Both ends joined in memory: what a client does, and what it sees."""

import itertools
import random

import pytest

from etcdpy.transport import ServerOptions
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

from ..peer import Peer, echoing, message, parse, parse_u32, request_fields

UNARY = "/test.Echo/Unary"
STREAM = "/test.Echo/Stream"


class TestStart:
    def test_settings_come_first_and_ours_are_acknowledged_in_turn(self) -> None:
        peer = Peer(hello=False)
        peer.send(frames.PREFACE + frames.settings([]))
        assert [f.kind for f in peer.frames] == [SETTINGS, WINDOW_UPDATE, SETTINGS]
        assert peer.frames[2].flags == frames.ACK

    def test_nothing_is_said_before_the_preface(self) -> None:
        peer = Peer(hello=False)
        peer.send(frames.PREFACE[:-1])
        assert not peer.frames
        peer.send(frames.PREFACE[-1:])
        assert peer.take(SETTINGS)

    def test_wrong_preface_is_closed_without_a_word(self) -> None:
        peer = Peer(hello=False)
        peer.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        assert peer.connection.is_finished
        assert not peer.frames

    @pytest.mark.parametrize("first", [frames.ping(bytes(8)), frames.SETTINGS_ACK])
    def test_first_frame_must_be_settings(self, first: bytes) -> None:
        peer = Peer(hello=False)
        peer.send(frames.PREFACE + first)
        assert peer.goaway()[1] == frames.PROTOCOL_ERROR
        assert peer.connection.is_finished

    def test_all_in_one_piece_is_served(self) -> None:
        peer = Peer(hello=False)
        peer.call_handler.echoes = True
        stream, opening = peer.headers(UNARY)
        request = frame(DATA, END_STREAM, stream, message(b"hi"))
        peer.send(frames.PREFACE + frames.settings([]) + opening + request)
        assert peer.reply(stream).status == (0, "")

    def test_byte_by_byte_is_served(self) -> None:
        peer = Peer(hello=False)
        peer.call_handler.echoes = True
        stream, opening = peer.headers(UNARY)
        request = frame(DATA, END_STREAM, stream, message(b"hi"))
        for byte in frames.PREFACE + frames.settings([]) + opening + request:
            peer.send(bytes((byte,)))
        assert peer.reply(stream).body == message(b"hi")

    def test_silence_is_ended_after_ten_seconds(self) -> None:
        peer = Peer(hello=False)
        peer.send(frames.PREFACE)
        peer.tick(9)
        assert not peer.connection.is_finished
        peer.tick(2)
        assert peer.connection.is_finished


class TestUnary:
    def test_reply_is_headers_one_data_frame_and_trailers(self) -> None:
        peer = echoing()
        stream = peer.call(b"hello")
        reply = peer.reply(stream)
        assert reply.blocks[0] == {":status": "200", "content-type": "application/grpc"}
        assert reply.data == [message(b"hello")]
        assert reply.blocks[1] == {"grpc-status": "0", "grpc-message": ""}
        assert reply.is_ended
        assert not peer.connection.streams

    def test_repeated_calls_take_the_short_path_to_the_same_reply(self) -> None:
        peer = echoing()
        replies = [peer.reply(peer.call(b"hello")) for _ in range(5)]
        assert all(reply == replies[0] for reply in replies)

    def test_deadline_counts_from_arrival(self) -> None:
        peer = Peer()
        for extra in ("5S", "5S", "1M"):
            peer.call(b"x", ("grpc-timeout", extra))
        assert [call.deadline for call, _ in peer.call_handler.unary] == [1005.0, 1005.0, 1060.0]

    @pytest.mark.parametrize("cuts", [1, 3, 7])
    def test_message_may_come_in_any_pieces(self, cuts: int) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        body = message(b"in many pieces")
        for start in range(0, len(body), cuts):
            peer.data(stream, body[start : start + cuts])
        peer.data(stream, b"", end=True)
        assert peer.reply(stream).body == body

    def test_half_close_in_a_frame_of_its_own_needs_no_reset(self) -> None:
        peer = echoing()
        stream, opening = peer.headers(UNARY)
        body = frame(DATA, 0, stream, message(b"x")) + frame(DATA, END_STREAM, stream)
        peer.send(opening + body)
        assert peer.reply(stream).is_ended
        assert peer.reply(stream).reset is None

    def test_call_starts_before_half_close_and_its_stream_is_then_reset(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        peer.data(stream, message(b"x"))
        assert peer.reply(stream).status == (0, "")
        assert peer.reply(stream).reset == frames.NO_ERROR

    def test_what_follows_the_message_is_ignored(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        peer.data(stream, message(b"first") + message(b"second") + b"junk", end=True)
        assert peer.reply(stream).data == [message(b"first")]
        assert len(peer.call_handler.unary) == 1

    def test_window_update_between_headers_and_data_is_fine(self) -> None:
        peer = echoing()
        stream, opening = peer.headers(UNARY)
        request = frame(DATA, END_STREAM, stream, message(b"hi"))
        peer.send(opening + frames.window_update(stream, 5) + request)
        assert peer.reply(stream).body == message(b"hi")

    @pytest.mark.parametrize(
        ("body", "details"),
        [
            (b"", "EOF"),
            (message(b"hello")[:3], "EOF"),
            (message(b"hello")[:7], "unexpected EOF"),
        ],
    )
    def test_end_without_a_message(self, body: bytes, details: str) -> None:
        peer = Peer()
        stream = peer.open(UNARY)
        peer.data(stream, body, end=True)
        assert peer.reply(stream).status == (2, details)
        assert peer.reply(stream).reset is None

    def test_end_with_the_headers(self) -> None:
        peer = Peer()
        stream = peer.open(UNARY, end=True)
        assert peer.reply(stream).status == (2, "EOF")

    def test_message_too_long_is_refused_once_its_length_is_known(self) -> None:
        peer = Peer(ServerOptions(max_receive_message=100))
        stream = peer.open(UNARY)
        peer.data(stream, b"\0\0\0\0\x65")
        text = "grpc: received message larger than max (101 vs. 100)"
        assert peer.reply(stream).status == (8, text)
        assert peer.reply(stream).reset == frames.NO_ERROR

    def test_small_limit_holds_on_the_short_path_too(self) -> None:
        peer = echoing(ServerOptions(max_receive_message=100))
        streams = [peer.call(bytes(size)) for size in (100, 101, 100, 101)]
        assert [peer.reply(s).status[0] for s in streams] == [0, 8, 0, 8]

    def test_incomplete_request_is_watched_and_a_complete_one_is_not(self) -> None:
        peer = Peer()
        stream = peer.open(UNARY, ("grpc-timeout", "5S"))
        assert [call.stream_id for call in peer.call_handler.watched] == [stream]
        peer.call_handler.watched[0].tick = 1
        peer.data(stream, message(b"x"), end=True)
        assert not peer.call_handler.watched

    def test_large_message_is_lent_the_window_it_needs(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        body = message(bytes(3 << 20))
        left = 1 << 20
        while body:
            size = min(left, len(body), 16384)
            assert size, "the server grants too little"
            peer.data(stream, body[:size], end=size == len(body))
            body, left = body[size:], left - size
            for update in peer.take(WINDOW_UPDATE):
                if update.stream_id == stream:
                    left += parse_u32(update.payload)
        assert len(peer.call_handler.unary[0][1]) == 3 << 20


class TestAwaitedRest:
    """What the driver is told, so that a client may go on that waits for an acknowledgement."""

    def awaits(self, peer: Peer, data: bytes) -> bool:
        peer.connection.awaits_rest = False
        peer.send(data)
        return peer.connection.awaits_rest

    def test_message_that_has_not_come_is_awaited(self) -> None:
        peer = echoing()
        for path in (UNARY, STREAM):
            stream, opening = peer.headers(path)
            body = frame(DATA, 0, stream, message(b"x"))
            assert self.awaits(peer, opening)
            assert self.awaits(peer, body[:-1])
            assert not self.awaits(peer, body[-1:])

    def test_rest_of_a_message_in_many_frames_is_awaited(self) -> None:
        peer = echoing()
        stream, opening = peer.headers(UNARY)
        assert self.awaits(peer, opening + frame(DATA, 0, stream, message(b"long")[:6]))
        assert self.awaits(peer, frame(DATA, 0, stream, message(b"long")[6:7]))
        assert not self.awaits(peer, frame(DATA, END_STREAM, stream, message(b"long")[7:]))

    def test_whole_requests_await_nothing_however_they_are_cut_into_frames(self) -> None:
        peer = echoing()
        for number in range(5):
            stream, opening = peer.headers(UNARY)
            body = message(b"hello")
            window = frames.window_update(stream, 10)
            whole = [
                opening + frame(DATA, END_STREAM, stream, body),
                opening + window + frame(DATA, END_STREAM, stream, body),
                opening + frame(DATA, 0, stream, body) + frame(DATA, END_STREAM, stream, b""),
                opening + frame(DATA, 0, stream, body[:6]) + frame(DATA, 1, stream, body[6:]),
                opening + frame(DATA, 0, stream, body),
            ]
            assert not self.awaits(peer, whole[number])
            assert peer.reply(stream).status == (0, "")

    def test_request_that_was_refused_awaits_nothing(self) -> None:
        peer = echoing()
        assert not self.awaits(peer, peer.headers("/no.Such/Method")[1])

    def test_what_is_not_answered_awaits_a_request(self) -> None:
        peer = echoing()
        stream = peer.call(b"x")
        assert self.awaits(peer, frames.window_update(0, 10))
        assert self.awaits(peer, frames.window_update(stream, 10))
        assert not self.awaits(peer, frames.ping(bytes(8)))
        following, opening = peer.headers(UNARY)
        body = frame(DATA, END_STREAM, following, message(b"x"))
        assert not self.awaits(peer, frames.window_update(0, 10) + opening + body)

    def test_grants_for_what_is_being_sent_are_answered_by_that(self) -> None:
        peer = Peer()
        stream = peer.open(STREAM)
        (call,) = peer.call_handler.streams
        peer.connection.sender.message(call, *call.encode(bytes(200_000)))
        peer.read()
        peer.connection.awaits_rest = False
        peer.connection.receive(
            frames.window_update(0, 10_000) + frames.window_update(stream, 10_000), peer.now
        )
        assert not peer.connection.awaits_rest

    def test_stream_that_goes_on_awaits_nothing(self) -> None:
        peer = Peer()
        stream, opening = peer.headers(STREAM)
        assert not self.awaits(peer, opening + frame(DATA, 0, stream, message(b"first")))
        assert not self.awaits(peer, frame(DATA, 0, stream, message(b"second")))
        assert not self.awaits(peer, frames.ping(bytes(8)))


class TestEarlyAnswers:
    def test_refusal_is_one_block_and_a_reset(self) -> None:
        peer = Peer()
        stream = peer.open("/no.Such/Method")
        reply = peer.reply(stream)
        assert reply.blocks == [
            {
                ":status": "200",
                "content-type": "application/grpc",
                "grpc-status": "12",
                "grpc-message": "unknown service no.Such",
            }
        ]
        assert (reply.is_ended, reply.reset) == (True, frames.NO_ERROR)

    def test_no_reset_if_the_client_had_ended(self) -> None:
        peer = Peer()
        assert peer.reply(peer.open("/no.Such/Method", end=True)).reset is None

    def test_data_of_a_refused_call_is_passed_over(self) -> None:
        peer = Peer()
        stream = peer.open("/no.Such/Method")
        peer.frames.clear()
        peer.data(stream, message(b"x"), end=True)
        assert not peer.frames


class TestHeaderBlocks:
    def test_padding_and_priority_are_stripped(self) -> None:
        peer = echoing()
        block = peer.encoder.encode(request_fields(UNARY))
        padded = b"\x04" + b"\x00\x00\x00\x00\x10" + block + bytes(4)
        flags = END_HEADERS | PADDED | frames.HAS_PRIORITY
        body = frame(DATA, END_STREAM | PADDED, 1, b"\x02" + message(b"x") + bytes(2))
        peer.send(frame(HEADERS, flags, 1, padded) + body)
        assert peer.reply(1).body == message(b"x")

    def test_continuations_are_joined(self) -> None:
        peer = echoing()
        block = peer.encoder.encode(request_fields(UNARY))
        peer.send(frame(HEADERS, 0, 1, block[:1]))
        peer.send(frame(CONTINUATION, 0, 1, block[1:5]))
        peer.send(frame(CONTINUATION, END_HEADERS, 1, block[5:]))
        peer.data(1, message(b"x"), end=True)
        assert peer.reply(1).body == message(b"x")

    def test_block_never_completed_is_ended_after_ten_seconds(self) -> None:
        peer = Peer()
        peer.send(frame(HEADERS, 0, 1, b""))
        peer.tick(11)
        assert peer.connection.is_finished

    def test_client_trailers_end_the_request(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        trailers = peer.encoder.encode([("x", "y")])
        peer.send(frame(DATA, 0, stream, message(b"x")))
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers))
        assert peer.reply(stream).status == (0, "")

    def test_trailers_under_way_to_a_finished_stream_only_feed_the_decoder(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        peer.data(stream, message(b"x"))
        block = peer.encoder.encode([("late", "trailer")])
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
        assert peer.reply(peer.call(b"x", ("late", "trailer"))).status == (0, "")

    def test_own_parent_is_a_fault_of_the_stream(self) -> None:
        peer = Peer()
        block = peer.encoder.encode(request_fields(UNARY))
        flags = END_HEADERS | frames.HAS_PRIORITY
        peer.send(frame(HEADERS, flags, 1, b"\0\0\0\1\x10" + block))
        assert peer.reply(1).reset == frames.PROTOCOL_ERROR


class TestConnectionFaults:
    @pytest.mark.parametrize(
        ("chunk", "code"),
        [
            (frame(DATA, 0, 0, b"x"), frames.PROTOCOL_ERROR),
            (frame(HEADERS, END_HEADERS, 0, b""), frames.PROTOCOL_ERROR),
            (frame(HEADERS, END_HEADERS, 2, b""), frames.PROTOCOL_ERROR),
            (frame(CONTINUATION, 0, 0, b""), frames.PROTOCOL_ERROR),
            (frame(CONTINUATION, END_HEADERS, 1, b""), frames.PROTOCOL_ERROR),
            (frame(DATA, 0, 9, b"x"), frames.PROTOCOL_ERROR),
            (b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", frames.FRAME_SIZE_ERROR),
            (frame(DATA, PADDED, 1, b"\x01"), frames.PROTOCOL_ERROR),
            (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05abc"), frames.PROTOCOL_ERROR),
            (frame(HEADERS, END_HEADERS, 1, b"\x80"), frames.COMPRESSION_ERROR),
            (frame(HEADERS, 0, 1, b"") + frames.settings([]), frames.PROTOCOL_ERROR),
            (frame(HEADERS, 0, 1, b"") + frame(0xEE, 0, 0), frames.PROTOCOL_ERROR),
            (frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 4, 3, b""), frames.PROTOCOL_ERROR),
            (
                frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 17,
                frames.ENHANCE_YOUR_CALM,
            ),
            (
                frame(HEADERS, 0, 1, bytes(16384)) + frame(CONTINUATION, 0, 1, bytes(16384)) * 4,
                frames.ENHANCE_YOUR_CALM,
            ),
        ],
    )
    def test_goaway_names_the_fault(self, chunk: bytes, code: int) -> None:
        peer = Peer()
        peer.send(chunk)
        assert peer.goaway()[1] == code
        assert peer.connection.is_finished

    def test_lower_stream_is_illegal_and_a_gap_is_not(self) -> None:
        peer = echoing()
        block = peer.encoder.encode(request_fields(STREAM))
        peer.send(frame(HEADERS, END_HEADERS, 7, block))
        assert not peer.connection.is_finished
        peer.send(frame(HEADERS, END_HEADERS, 3, block))
        last, code, debug = peer.goaway()
        assert (last, code) == (7, frames.PROTOCOL_ERROR)
        assert debug.startswith(b"received an illegal stream id: 3. headers frame: ")

    def test_nothing_is_read_after_the_fault(self) -> None:
        peer = echoing()
        peer.send(frame(DATA, 0, 0, b"x"))
        peer.frames.clear()
        peer.send(frames.ping(bytes(8)))
        assert not peer.frames

    def test_unknown_frames_settings_and_flags_are_ignored(self) -> None:
        peer = echoing()
        peer.send(frame(0xEE, 0xFF, 3, b"?") + frames.settings([(0xFE03, 1)]))
        peer.send(frames.SETTINGS_ACK + frame(GOAWAY, 0, 0, bytes(8)))
        assert peer.reply(peer.call(b"x")).status == (0, "")

    def test_reserved_bit_is_ignored(self) -> None:
        peer = echoing()
        stream, opening = peer.headers(UNARY)
        request = frame(DATA, END_STREAM, stream, message(b"x"))
        marked = b"".join(f[:5] + bytes((f[5] | 0x80,)) + f[6:] for f in (opening, request))
        peer.send(marked)
        assert peer.reply(stream).status == (0, "")

    def test_noise_raises_nothing(self) -> None:
        for seed in range(300):
            peer = echoing()
            noise = random.Random(seed)
            for _ in range(5):
                kind, stream = noise.randrange(11), noise.choice((0, 1, 1, 3))
                size = noise.choice((0, 4, 5, 6, 8, 20))
                peer.send(frame(kind, noise.randrange(256), stream, noise.randbytes(size)))


class TestStreamFaults:
    def test_data_after_the_end(self) -> None:
        peer = Peer()
        stream = peer.open()
        peer.data(stream, b"", end=True)
        peer.data(stream, b"x")
        assert peer.reply(stream).reset == frames.STREAM_CLOSED

    def test_data_after_the_clients_reset(self) -> None:
        peer = Peer()
        stream = peer.open()
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        peer.data(stream, b"x")
        assert peer.reply(stream).reset == frames.STREAM_CLOSED

    def test_more_than_the_window(self) -> None:
        peer = Peer()
        stream = peer.open()
        for _ in range((1 << 20) // 16384):
            peer.data(stream, bytes(16384))
        assert peer.reply(stream).reset is None
        peer.data(stream, b"x")
        assert peer.reply(stream).reset == frames.FLOW_CONTROL_ERROR
        assert peer.call_handler.cancelled

    @pytest.mark.parametrize("sizes", [(6,), (4,), (3, 3)])
    def test_content_length_must_be_true(self, sizes: tuple[int, ...]) -> None:
        peer = Peer()
        stream = peer.open(STREAM, ("content-length", "5"))
        for size in sizes:
            peer.data(stream, bytes(size))
        peer.data(stream, b"", end=True)
        assert peer.reply(stream).reset == frames.PROTOCOL_ERROR


class TestWindowsOfTheServer:
    def test_connection_is_credited_even_for_what_is_ignored(self) -> None:
        peer = Peer()
        refused = peer.open("/no.Such/Method")
        sent = 0
        for _ in range(300):
            peer.data(refused, bytes(16384))
            sent += 16384
        granted = sum(parse_u32(f.payload) for f in peer.take(WINDOW_UPDATE))
        assert sent - granted < 4 << 20
        assert granted <= sent

    def test_stream_is_credited_only_for_what_is_read(self) -> None:
        peer = Peer()
        stream = peer.open()
        body = message(bytes(16000))
        for _ in range(60):
            peer.data(stream, body)
        assert not [f for f in peer.take(WINDOW_UPDATE) if f.stream_id == stream]
        call = peer.call_handler.streams[0]
        for _ in range(60):
            assert call.take_message() == bytes(16000)
        peer.read()
        granted = sum(parse_u32(f.payload) for f in peer.take(WINDOW_UPDATE))
        assert 60 * len(body) - granted < 1 << 18

    def test_padding_is_credited_at_once(self) -> None:
        peer = Peer()
        stream = peer.open()
        for _ in range(2000):
            peer.send(frame(DATA, PADDED, stream, b"\xff" + b"x" + bytes(255)))
        granted = [f for f in peer.take(WINDOW_UPDATE) if f.stream_id == stream]
        assert sum(parse_u32(f.payload) for f in granted) > 200_000


class TestKeepalive:
    def test_silent_client_is_asked_and_then_given_up(self) -> None:
        peer = Peer(ServerOptions(keepalive_interval=100, keepalive_timeout=20))
        peer.tick(100)
        assert [f.flags for f in peer.take(PING)] == [0]
        peer.tick(10)
        assert not peer.connection.is_finished
        peer.tick(10)
        assert peer.connection.is_finished

    def test_answer_keeps_it_alive(self) -> None:
        peer = Peer(ServerOptions(keepalive_interval=100, keepalive_timeout=20))
        peer.tick(100)
        peer.send(frames.ping(bytes(8), ack=True))
        peer.tick(50)
        assert not peer.connection.is_finished


class TestAbuse:
    def test_unread_requests_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("etcdpy.transport.grpc.connection.MAX_BUFFERED", 5 << 20)
        peer = Peer()
        streams = [peer.open() for _ in range(16)]
        for stream, _ in itertools.product(streams, range(63)):
            if peer.reply(stream).reset is None:
                peer.data(stream, bytes(16384))
        resets = [peer.reply(stream).reset for stream in streams]
        assert frames.ENHANCE_YOUR_CALM in resets
        assert sum(call.buffered for call in peer.connection.streams.values()) < 10 << 20

    def test_no_call_is_started_while_too_much_output_waits(self) -> None:
        peer = Peer()
        peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
        first = peer.call(b"x")
        call, _ = peer.call_handler.unary[0]
        peer.connection.sender.reply(call, bytes(17 << 20))
        peer.call(b"later")
        assert len(peer.call_handler.unary) == 1
        peer.send(frames.rst_stream(first, frames.CANCEL))
        assert [body for _, body in peer.call_handler.unary] == [b"x", b"later"]

    def test_answered_stream_that_gets_no_window_is_cut(self) -> None:
        peer = Peer()
        peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
        peer.call_handler.echoes = True
        stream = peer.call(b"x")
        for _ in range(61):
            peer.tick(1)
        assert peer.reply(stream).reset == frames.CANCEL

    def test_slow_but_moving_stream_is_not_cut(self) -> None:
        peer = Peer()
        peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
        peer.call_handler.echoes = True
        stream = peer.call(bytes(100))
        for _ in range(20):
            peer.tick(30)
            peer.send(frames.window_update(stream, 1))
        assert peer.reply(stream).reset is None


class TestShutdown:
    def test_idle_connection_sends_goaway_twice_and_is_finished(self) -> None:
        peer = Peer()
        peer.connection.shut_down(peer.now)
        peer.read()
        assert peer.goaway() == (2**31 - 1, 0, b"graceful_stop")
        (ping,) = [f for f in peer.frames if f.kind == PING]
        peer.send(frames.ping(ping.payload, ack=True))
        assert peer.goaway() == (0, 0, b"graceful_stop")
        assert peer.connection.is_finished

    def test_call_between_the_goaways_is_served(self) -> None:
        peer = echoing()
        peer.connection.shut_down(peer.now)
        assert peer.reply(peer.call(b"x")).status == (0, "")

    def test_call_after_them_is_dropped_in_silence(self) -> None:
        peer = echoing()
        open_stream = peer.open()
        peer.connection.shut_down(peer.now)
        peer.tick(5)
        assert peer.goaway()[0] == open_stream
        late = peer.call(b"x")
        assert peer.reply(late).blocks == []
        assert not peer.connection.is_finished

    def test_it_is_finished_with_the_last_stream(self) -> None:
        peer = Peer()
        stream = peer.open()
        peer.connection.shut_down(peer.now)
        peer.tick(5)
        assert not peer.connection.is_finished
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        assert peer.connection.is_finished

    def test_lost_connection_cancels_every_call(self) -> None:
        peer = Peer()
        peer.open()
        peer.call(b"x")
        peer.connection.lost()
        assert len(peer.call_handler.cancelled) == 2
        assert not peer.connection.streams

    def test_calls_of_a_lost_connection_may_be_cancelled_a_few_at_a_time(self) -> None:
        peer = Peer()
        for _ in range(5):
            peer.call(b"x")
        assert [peer.connection.lost(2) for _ in range(3)] == [True, True, False]
        assert len(peer.call_handler.cancelled) == 5


def http_fields(method: str, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    return [(":method", method), *request_fields("/v")[1:4], *extra]


class TestHttp:
    @pytest.mark.parametrize(("method", "is_secure"), [("GET", False), ("POST", True)])
    def test_request_with_a_body_is_complete_at_its_end(self, method: str, is_secure: bool) -> None:
        peer = Peer(is_secure=is_secure)
        fields = http_fields(method, ("content-type", "text/plain"))
        stream, opening = peer.headers(fields=fields)
        peer.send(opening)
        peer.data(stream, b"one ")
        assert not peer.call_handler.http
        peer.data(stream, b"two", end=True)
        ((call, body),) = peer.call_handler.http
        assert (call.head.path, body) == ("/v", b"one two")

    def test_body_too_long_is_none(self) -> None:
        peer = Peer(ServerOptions(max_http_body=10), is_secure=True)
        stream, opening = peer.headers(fields=http_fields("POST"))
        peer.send(opening)
        peer.data(stream, bytes(11), end=True)
        assert peer.call_handler.http[0][1] is None

    def test_post_in_the_clear_is_refused_before_its_body(self) -> None:
        peer = Peer()
        fields = http_fields("POST", ("content-type", "text/plain"))
        stream, opening = peer.headers(fields=fields)
        peer.send(opening)
        text = 'invalid gRPC request content-type "text/plain"'
        assert peer.reply(stream).status == (3, text)
        assert peer.reply(stream).blocks[0][":status"] == "415"
        assert peer.reply(stream).reset == frames.NO_ERROR
        peer.data(stream, b"late", end=True)
        assert not peer.call_handler.http
        assert peer.reply(peer.call(b"x")).reset is None

    @pytest.mark.parametrize("extra", [[], [("content-length", "4")]])
    def test_post_without_a_type_is_refused_behind_its_body(
        self, extra: list[tuple[str, str]]
    ) -> None:
        peer = Peer()
        stream, opening = peer.headers(fields=http_fields("POST", *extra))
        peer.send(opening)
        assert not peer.reply(stream).blocks
        peer.data(stream, b"body", end=True)
        assert peer.reply(stream).status == (3, 'invalid gRPC request content-type ""')
        assert peer.reply(stream).reset is None
        assert not peer.connection.streams

    def test_post_of_another_length_than_announced_is_malformed(self) -> None:
        peer = Peer()
        stream, opening = peer.headers(fields=http_fields("POST", ("content-length", "4")))
        peer.send(opening)
        peer.data(stream, b"shorter"[:3], end=True)
        assert peer.reply(stream).reset == frames.PROTOCOL_ERROR


def test_internal_error_ends_the_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = Peer()
    peer.call_handler.start_unary = None  # type: ignore[assignment, method-assign]
    peer.call(b"x")
    assert peer.goaway()[1] == frames.INTERNAL_ERROR
    assert "connection of" in caplog.text


def test_streams_do_not_affect_each_other() -> None:
    peer = Peer()
    streams = [peer.open() for _ in range(5)]
    for stream in streams:
        peer.data(stream, message(b"%d" % stream))
    for call in reversed(peer.call_handler.streams):
        body = call.take_message()
        assert body is not None
        peer.connection.sender.reply(call, body)
    peer.read()
    assert [peer.reply(s).body for s in streams] == [message(b"%d" % s) for s in streams]


def test_every_output_is_whole_frames() -> None:
    peer = echoing()
    peer.call(b"x" * 60_000)
    assert list(parse(peer.connection.sender.take())) == []
