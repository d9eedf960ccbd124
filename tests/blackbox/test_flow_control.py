"""Windows in both directions."""

from .conftest import EchoServer
from .h2client import (
    DATA,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    Client,
    data,
    message,
    reset,
    settings,
    window_update,
)

UNARY = "/echo.Echo/Unary"
LARGE = "/echo.Echo/Large"
REPEAT = "/echo.Echo/Repeat"
FAIL = "/echo.Echo/Fail"


def got(client: Client, stream: int) -> int:
    return len(client.stream(stream).body)


class TestSending:
    """The client's windows bind the server."""

    def test_default_window_is_65535(self, server: EchoServer) -> None:
        with server.connect(quiet=True) as client:
            stream = client.start(LARGE, b"200000")
            client.wait(lambda: got(client, stream) >= 65535)
            client.drain(0.1)
            assert got(client, stream) == 65535
            client.send(window_update(0, 1 << 20))
            client.drain(0.1)
            assert got(client, stream) == 65535
            client.send(window_update(stream, 1 << 20))
            assert client.finish(stream).messages == [b"x" * 200000]

    def test_window_of_0_still_lets_headers_and_refusals_through(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 0)) as client:
            assert client.call(FAIL, b'["NOT_FOUND", "x"]').status == (5, "x")
            stream = client.start(UNARY, b"hello")
            client.wait(lambda: bool(client.stream(stream).blocks))
            client.drain(0.1)
            assert [f.type for f in client.stream(stream).frames] == [HEADERS]
            client.send(window_update(stream, 100))
            assert client.finish(stream).messages == [b"hello"]

    def test_window_opens_by_updates_and_by_settings(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 0), quiet=True) as client:
            stream = client.start(LARGE, b"30000")
            client.send(window_update(stream, 5))
            client.wait(lambda: got(client, stream) == 5)
            client.send(settings((INITIAL_WINDOW_SIZE, 10)))
            client.wait(lambda: got(client, stream) == 15)
            client.drain(0.1)
            assert got(client, stream) == 15
            client.send(settings((INITIAL_WINDOW_SIZE, 65535)))
            assert client.finish(stream).messages == [b"x" * 30000]

    def test_window_may_become_negative(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 1000), quiet=True) as client:
            stream = client.start(LARGE, b"5000")
            client.wait(lambda: got(client, stream) == 1000)
            client.send(settings((INITIAL_WINDOW_SIZE, 100)))  # now -900
            client.send(window_update(stream, 900))  # now 0
            client.drain(0.1)
            assert got(client, stream) == 1000
            client.send(window_update(stream, 1))
            client.wait(lambda: got(client, stream) == 1001)
            client.send(window_update(stream, 10_000))
            assert client.finish(stream).messages == [b"x" * 5000]

    def test_repeated_settings_hold_in_order(self, server: EchoServer) -> None:
        pairs = [(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 7)]
        with server.connect(*pairs, quiet=True) as client:
            stream = client.start(LARGE, b"50")
            client.wait(lambda: got(client, stream) == 7)
            client.drain(0.05)
            assert got(client, stream) == 7

    def test_full_connection_window_holds_data_but_no_headers(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 1 << 20), quiet=True) as client:
            hog = client.start(LARGE, b"500000")
            client.wait(lambda: got(client, hog) == 65535)
            other = client.start(FAIL, b'["NOT_FOUND", "x"]')
            assert client.finish(other).status == (5, "x")
            starved = client.start(UNARY, b"hungry")
            client.wait(lambda: bool(client.stream(starved).blocks))
            assert got(client, starved) == 0
            client.send(window_update(0, 1 << 20))
            assert client.finish(starved).messages == [b"hungry"]
            assert len(client.finish(hog).messages[0]) == 500_000

    def test_streams_take_turns(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 1 << 24), quiet=True) as client:
            first = client.start(LARGE, b"3000000")
            client.wait(lambda: got(client, first) == 65535)
            second = client.start(LARGE, b"300000")
            client.settle()
            mark = len(client.frames)
            client.send(window_update(0, 700_000))
            client.finish(second)
            order = [f.stream for f in client.frames[mark:] if f.type == DATA]
            del order[len(order) - order[::-1].index(second) :]  # after its last
            assert abs(order.count(first) - order.count(second)) <= 2
            client.send(reset(first))

    def test_reset_drops_the_queue_and_spends_no_window(self, server: EchoServer) -> None:
        with server.connect((INITIAL_WINDOW_SIZE, 1 << 20), quiet=True) as client:
            hog = client.start(LARGE, b"1000000")
            client.wait(lambda: got(client, hog) == 65535)
            client.send(reset(hog))
            client.settle()
            client.send(window_update(0, 2000))
            stream = client.start(LARGE, b"1500")
            assert client.finish(stream).messages == [b"x" * 1500]
            assert got(client, hog) == 65535

    def test_producer_waits_for_a_stream_that_is_not_read(self, server: EchoServer) -> None:
        with server.connect(quiet=True) as client:
            before = server.stats().get("produced", 0)
            stream = client.start(REPEAT, b'{"count": 5000, "size": 4096}')
            client.wait(lambda: got(client, stream) == 65535)
            client.drain(0.3)
            produced = server.stats()["produced"] - before
            assert produced < 200  # 64 KiB sent, 64 KiB queued and a little
            client.send(reset(stream))
        server.wait_idle()


class TestReceiving:
    """The server grants what it has room for."""

    def test_message_longer_than_the_window_passes(self, client: Client) -> None:
        """A client that keeps to the windows can send 2 MiB and need not wait for ever."""
        stream = client.open(UNARY)
        body = message(bytes(2097152))
        client.pour(stream, (body[i : i + 16384] for i in range(0, len(body), 16384)))
        client.send(data(stream, b"", end=True))
        assert len(client.finish(stream).messages[0]) == 2097152

    def test_padding_is_credited(self, client: Client) -> None:
        """20,000 bytes in as many frames, with 5 MB of padding, through a window of 1 MiB."""
        stream = client.open(UNARY)
        body = message(bytes(20_000))
        client.pour(stream, (body[i : i + 1] for i in range(len(body))), padding=255)
        client.send(data(stream, b"", end=True))
        assert len(client.finish(stream).messages[0]) == 20_000

    def test_one_unread_stream_does_not_block_the_others(self, client: Client) -> None:
        deaf = client.open("/echo.Echo/Deaf")
        client.send(data(deaf, message(bytes(1_000_000))))
        for _ in range(10):
            assert len(client.call(UNARY, bytes(1_000_000)).messages[0]) == 1_000_000
        client.send(reset(deaf))

    def test_unread_stream_is_granted_no_more(self, client: Client) -> None:
        deaf = client.open("/echo.Echo/Deaf")
        client.send(data(deaf, b"".join(message(bytes(1000)) for _ in range(1000))))
        client.settle()
        assert client.granted(deaf) <= (1 << 20) + (1 << 19)
        client.send(reset(deaf))

    def test_read_stream_is_granted_more_for_ever(self, client: Client) -> None:
        stream = client.open("/echo.Echo/Collect")
        client.pour(stream, (message(bytes(9995)) for _ in range(2000)))
        client.send(data(stream, b"", end=True))
        assert client.finish(stream).messages == [b"[2000, 19990000]"]
