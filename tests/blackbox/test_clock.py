"""What only time brings about, with the time given: no test here waits."""

import pytest

from etcdpy.transport.grpc.connection import Connection

from .h2client import (
    ACK,
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    Frame,
    data,
    frame,
    message,
    reset,
    settings,
    window_update,
)
from .in_process import connect, parse, written

START = 100.0

_COMMON = b"\x01\x09localhost\x0f\x10\x10application/grpc"
UNARY = b"\x83\x86\x04\x10/echo.Echo/Unary" + _COMMON
WATCH = b"\x83\x86\x04\x10/echo.Echo/Watch" + _COMMON


def opened(*pairs: tuple[int, int]) -> Connection:
    """Return a connection that has exchanged SETTINGS at the start."""
    connection = connect()
    hear(connection, PREFACE + settings(*pairs), 0)
    return connection


def hear(connection: Connection, text: bytes, after: float) -> list[Frame]:
    """Feed ``text`` so many seconds after the start and return the answer."""
    connection.receive(text, START + after)
    return parse(written(connection))


def tick(connection: Connection, after: float) -> list[Frame]:
    connection.tick(START + after)
    return parse(written(connection))


def ping(connection: Connection, after: float) -> list[int]:
    """Send a PING and return the types of the frames that answer it."""
    return [f.type for f in hear(connection, frame(PING, payload=bytes(8)), after)]


def kinds(frames: list[Frame]) -> list[int]:
    return [f.type for f in frames]


@pytest.mark.parametrize("start", [b"", PREFACE[:7], PREFACE])
def test_a_peer_has_ten_seconds_to_begin(start: bytes) -> None:
    connection = connect()
    hear(connection, start, 1)
    tick(connection, 9.9)
    assert not connection.is_finished
    tick(connection, 10.1)
    assert connection.is_finished


def test_a_header_block_has_ten_seconds() -> None:
    connection = opened()
    hear(connection, frame(HEADERS, 0, 1, UNARY[:3]), 50)
    hear(connection, frame(CONTINUATION, 0, 1, UNARY[3:5]), 58)
    tick(connection, 59)
    assert not connection.is_finished
    tick(connection, 60.1)
    assert connection.is_finished


def test_a_block_completed_in_time_leaves_no_clock_running() -> None:
    connection = opened()
    hear(connection, frame(HEADERS, 0, 1, UNARY[:3]), 50)
    hear(connection, frame(CONTINUATION, END_HEADERS, 1, UNARY[3:]), 59)
    hear(connection, data(1, message(b"x"), end=True), 59)
    tick(connection, 80)
    assert not connection.is_finished


class TestStalledAnswers:
    def answered(self, connection: Connection) -> None:
        call = frame(HEADERS, END_HEADERS, 1, UNARY) + data(1, message(bytes(100)), end=True)
        assert HEADERS in kinds(hear(connection, call, 1))

    def test_answer_without_window_is_cut_after_a_minute(self) -> None:
        connection = opened((INITIAL_WINDOW_SIZE, 0))
        self.answered(connection)
        for second in range(1, 60):
            assert tick(connection, second) == []
        cut = [f for second in range(60, 64) for f in tick(connection, second)]
        assert cut == [Frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))]
        assert not connection.streams
        assert not connection.is_finished

    def test_answer_that_trickles_is_not_cut(self) -> None:
        connection = opened((INITIAL_WINDOW_SIZE, 0))
        self.answered(connection)
        for second in range(1, 200):
            tick(connection, second)
            if second % 50 == 0:
                hear(connection, window_update(1, 1), second)
        assert 1 in connection.streams


class TestPings:
    def test_every_five_seconds_is_fine_while_a_call_is_open(self) -> None:
        connection = opened()
        hear(connection, frame(HEADERS, END_HEADERS, 1, WATCH), 0)
        for number in range(20):
            assert ping(connection, 5.0 * number) == [PING]

    def test_more_often_is_fine_three_times(self) -> None:
        connection = opened()
        hear(connection, frame(HEADERS, END_HEADERS, 1, WATCH), 0)
        assert [ping(connection, 4.9 * number)[-1] for number in range(4)] == [
            *[PING] * 3,
            GOAWAY,
        ]

    def test_without_calls_two_hours_are_the_least(self) -> None:
        connection = opened()
        assert [ping(connection, 7200.0 * number) for number in range(5)] == [[PING]] * 5
        connection = opened()
        assert [ping(connection, 3600.0 * number)[-1] for number in range(4)] == [
            *[PING] * 3,
            GOAWAY,
        ]


class TestKeepalive:
    def test_silent_peer_is_asked_after_two_hours_and_given_twenty_seconds(self) -> None:
        connection = opened()
        assert tick(connection, 7199) == []
        assert kinds(tick(connection, 7200)) == [PING]
        assert tick(connection, 7219) == []
        assert not connection.is_finished
        tick(connection, 7220)
        assert connection.is_finished

    def test_any_byte_counts_as_an_answer(self) -> None:
        connection = opened()
        (asked,) = tick(connection, 7200)
        hear(connection, frame(PING, ACK, 0, asked.payload), 7210)
        assert tick(connection, 7230) == []
        assert kinds(tick(connection, 14410)) == [PING]
        assert not connection.is_finished


class TestGracefulShutdown:
    def test_second_goaway_waits_five_seconds_for_the_acknowledgement(self) -> None:
        connection = opened()
        hear(connection, frame(HEADERS, END_HEADERS, 1, WATCH), 0)
        connection.shut_down(START + 10)
        first = parse(written(connection))
        assert kinds(first) == [GOAWAY, PING]
        assert tick(connection, 14.9) == []
        (second,) = tick(connection, 15)
        assert (second.type, second.payload[:4]) == (GOAWAY, (1).to_bytes(4, "big"))
        assert not connection.is_finished
        hear(connection, reset(1), 16)
        assert connection.is_finished


class TestAllowances:
    def cancelled_calls(self, connection: Connection, first: int, count: int, at: float) -> int:
        """Open and reset calls; return the stream that comes next."""
        text = b""
        for stream in range(first, first + 2 * count, 2):
            text += frame(HEADERS, END_HEADERS, stream, WATCH) + reset(stream)
        hear(connection, text, at)
        return first + 2 * count

    def test_two_hundred_cancellations_a_second_are_fine_for_ever(self) -> None:
        connection = opened()
        stream = self.cancelled_calls(connection, 1, 900, 0)
        for second in range(1, 60):
            stream = self.cancelled_calls(connection, stream, 200, second)
        assert not connection.is_finished

    def test_four_hundred_a_second_are_not(self) -> None:
        connection = opened()
        stream, second = 1, 0
        while not connection.is_finished and second < 20:
            stream = self.cancelled_calls(connection, stream, 400, second)
            second += 1
        assert 4 <= second <= 8

    def test_a_thousand_useless_frames_in_ten_seconds_are_fine_for_ever(self) -> None:
        connection = opened()
        for second in range(300):
            assert hear(connection, window_update(0, 1) * 90, second) == []
        assert not connection.is_finished

    def test_more_are_not(self) -> None:
        connection = opened()
        last = hear(connection, window_update(0, 1) * 1100, 1)[-1]
        assert int.from_bytes(last.payload[4:8], "big") == ENHANCE_YOUR_CALM
