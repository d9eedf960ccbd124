"""How many streams a client may have, and how they end, as it sees that."""

import pytest

from etcdpy.transport import ServerOptions
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import (
    PING,
    PRIORITY,
    frame,
)

from ..peer import Peer, echoing, message

UNARY = "/test.Echo/Unary"


class TestRoom:
    def test_calls_beyond_the_limit_are_refused_until_one_ends(self) -> None:
        peer = Peer(ServerOptions(max_concurrent_streams=2))
        streams = [peer.open() for _ in range(3)]
        assert [peer.reply(s).reset for s in streams] == [None, None, frames.REFUSED_STREAM]
        peer.send(frames.rst_stream(streams[0], frames.CANCEL))
        assert peer.reply(peer.open()).reset is None

    def test_place_of_a_reset_stream_is_free_at_once(self) -> None:
        peer = Peer(ServerOptions(max_concurrent_streams=1))
        stream = peer.open()
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        peer.connection.orphaned()
        assert peer.reply(peer.open()).reset is None

    def test_many_handlers_that_outlive_their_streams_count(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("etcdpy.transport.grpc.open_streams.FREE_ORPHANS", 0)
        peer = Peer(ServerOptions(max_concurrent_streams=1))
        stream = peer.open()
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        peer.connection.orphaned()
        assert peer.reply(peer.open()).reset == frames.REFUSED_STREAM
        peer.connection.orphan_ended()
        assert peer.reply(peer.open()).reset is None

    def test_refusals_for_want_of_room_do_not_end_the_connection(self) -> None:
        peer = Peer(ServerOptions(max_concurrent_streams=1))
        peer.open()
        streams = [peer.open() for _ in range(3000)]
        assert all(peer.reply(stream).reset == frames.REFUSED_STREAM for stream in streams)
        assert not peer.connection.is_finished


class TestEndedByUs:
    def test_a_thousand_faults_are_too_many(self) -> None:
        peer = Peer()
        for stream in range(1, 2100, 2):
            peer.send(frame(PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\0"))
            if peer.connection.is_finished:
                break
        assert peer.goaway()[1] == frames.ENHANCE_YOUR_CALM

    def test_frames_for_streams_we_ended_are_ignored(self) -> None:
        peer = echoing()
        stream = peer.open(UNARY)
        peer.data(stream, message(b"x"))
        peer.frames.clear()
        peer.send(frames.window_update(stream, 10) + frames.rst_stream(stream, 0))
        peer.data(stream, b"more", end=True)
        assert not peer.frames


class TestServerStops:
    def test_endless_stream_ends_behind_the_goaway(self) -> None:
        peer = Peer(ServerOptions(stopped_message="gone"))
        endless, other = peer.open("/test.Echo/Endless"), peer.open()
        peer.connection.shut_down(peer.now)
        peer.read()
        kinds = [arrived.kind for arrived in peer.frames[-4:]]
        assert kinds == [frames.GOAWAY, PING, frames.HEADERS, frames.RST_STREAM]
        assert peer.reply(endless).status == (14, "gone")
        assert peer.reply(endless).reset == frames.NO_ERROR
        assert [call.stream_id for call in peer.call_handler.cancelled] == [endless]
        assert peer.reply(other).blocks == []

    @pytest.mark.parametrize("end", [False, True])
    def test_endless_stream_between_the_goaways_ends_at_once(self, end: bool) -> None:
        peer = Peer(ServerOptions(stopped_message="gone"))
        peer.connection.shut_down(peer.now)
        stream = peer.open("/test.Echo/Endless", end=end)
        assert peer.reply(stream).status == (14, "gone")
        assert peer.reply(stream).reset == (None if end else frames.NO_ERROR)
        assert peer.call_handler.streams == []

    def test_endless_stream_ends_behind_what_was_sent_on_it(self) -> None:
        peer = Peer(settings=[(frames.INITIAL_WINDOW_SIZE, 3)])
        stream = peer.open("/test.Echo/Endless")
        (call,) = peer.call_handler.streams
        peer.connection.sender.message(call, *call.encode(b"event"))
        peer.connection.shut_down(peer.now)
        peer.send(frames.window_update(stream, 100))
        assert peer.reply(stream).body == message(b"event")
        assert peer.reply(stream).status[0] == 14

    def test_endless_stream_that_is_not_read_is_cut_so_that_clients_come_back(self) -> None:
        peer = Peer(settings=[(frames.INITIAL_WINDOW_SIZE, 3)])
        stream = peer.open("/test.Echo/Endless")
        (call,) = peer.call_handler.streams
        peer.connection.sender.message(call, *call.encode(b"event"))
        peer.connection.shut_down(peer.now)
        peer.tick(0.9)
        assert peer.reply(stream).reset is None
        peer.tick(0.1)
        # CANCEL would have etcd's clients give a watch up.
        assert peer.reply(stream).reset == frames.INTERNAL_ERROR
        assert not peer.connection.streams

    def test_stop_gives_every_open_call_a_status(self) -> None:
        peer = Peer(ServerOptions(stopped_message="gone"))
        stream, request = peer.open(), peer.call(b"x")
        peer.connection.stop()
        peer.read()
        assert peer.reply(stream).status == (14, "gone")
        assert peer.reply(request).status == (14, "gone")
        assert peer.connection.is_finished
        assert len(peer.call_handler.cancelled) == 2


class TestEndedByClient:
    def test_rapid_reset(self) -> None:
        peer = Peer()
        for _ in range(2000):
            stream = peer.open()
            peer.send(frames.rst_stream(stream, frames.CANCEL))
            if peer.connection.is_finished:
                break
        assert peer.goaway()[1:] == (frames.ENHANCE_YOUR_CALM, b"too many resets")
        assert len(peer.call_handler.cancelled) >= 1000

    def test_resets_of_streams_that_have_had_a_message_are_no_abuse(self) -> None:
        peer = Peer()
        for _ in range(3000):
            stream = peer.open("/test.Echo/Endless")
            call = peer.call_handler.streams.pop()
            peer.connection.sender.message(call, *call.encode(b"event"))
            peer.send(frames.rst_stream(stream, frames.CANCEL))
        assert not peer.connection.is_finished
        assert len(peer.call_handler.cancelled) == 3000

    def test_resets_of_answered_calls_are_no_abuse(self) -> None:
        peer = echoing()
        for _ in range(3000):
            stream = peer.open(UNARY)
            peer.data(stream, message(b"x"))
            peer.send(frames.rst_stream(stream, frames.NO_ERROR))
        assert not peer.connection.is_finished
