"""A connection in this process: no socket, and no clock but the test's."""

from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import Route, RouteTable
from etcdpy.transport.limits import ServerOptions

from .bent import METHODS
from .h2client import Frame

STREAMS_REQUESTS = ("Chat", "Each", "Watch", "Collect")
STREAMS_RESPONSES = ("Repeat", "Chat", "Each", "Watch")


class Answerer:
    """Answers whole unary requests at once; streams stay open."""

    call_type = Call

    def __init__(self) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []

    def start_unary(self, call: Call, message: bytes) -> None:
        self.started.append(call.stream_id)
        call.connection.sender.reply(call, message)

    def start_stream(self, call: Call) -> None:
        self.started.append(call.stream_id)
        call.is_running = True

    def answer_one(self, call: Call, message: bytes) -> None:
        raise AssertionError("no method here answers each request")

    def answer_arrived(self, call: Call) -> None:
        raise AssertionError("no method here answers each request")

    def start_http(self, call: Call, body: bytes | None) -> None:
        call.connection.sender.status(call, 12, "not here")

    def watch(self, call: Call) -> None:
        """Deadlines do not matter here."""

    def unwatch(self, call: Call) -> None:
        """As above."""

    def cancel(self, call: Call) -> None:
        self.cancelled.append(call.stream_id)


def routes() -> RouteTable:
    table = RouteTable()
    for name in METHODS:
        if name != "Nope":
            route = Route(
                lambda *_: None,
                name in STREAMS_REQUESTS,
                name in STREAMS_RESPONSES,
                bytes,
                bytes,
                True,
            )
            table._routes[f"/echo.Echo/{name}"] = route
    return table


def connect() -> Connection:
    """Return a connection that began at 100 s."""
    return Connection(Answerer(), RequestHeadCache(routes()), ServerOptions(), now=100.0)


def written(connection: Connection) -> bytes:
    """Return what the connection has to say, as its driver would write it."""
    said = []
    while connection.sender.out:
        said.append(connection.sender.take())
    return b"".join(said)


def parse(text: bytes) -> list[Frame]:
    """Return whole frames; what is written must be nothing else."""
    frames = []
    while text:
        assert len(text) >= 9
        length = int.from_bytes(text[:3], "big")
        assert length <= 16384
        assert len(text) >= 9 + length
        stream = int.from_bytes(text[5:9], "big")
        frames.append(Frame(text[3], text[4], stream, text[9 : 9 + length]))
        text = text[9 + length :]
    return frames
