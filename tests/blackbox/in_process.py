"""A connection in this process: no socket, and no clock but the test's."""

from etcdpy.clock import Clock, SystemClock
from etcdpy.cooperative import Turnstile
from etcdpy.transport.grpc.books import check_books
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import Route, RouteTable
from etcdpy.transport.grpc.states import HandlerInput, move_handler
from etcdpy.transport.limits import ServerOptions
from tests.unit.transport.checked import CALL_TYPE

from .bent import METHODS
from .h2client import Frame

STREAMS_REQUESTS = ("Chat", "Each", "Watch", "Collect")
STREAMS_RESPONSES = ("Repeat", "Chat", "Each", "Watch")


class Answerer:
    """Answers whole unary requests at once; streams stay open."""

    call_type: type[Context] = CALL_TYPE

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()
        self.turnstile = Turnstile()
        self.started: list[int] = []
        self.cancelled: list[int] = []

    def start_unary(self, call: Context, message: bytes) -> None:
        self.started.append(call.stream_id)
        call.channel.sender.reply(call, message)

    def start_stream(self, call: Context) -> None:
        self.started.append(call.stream_id)
        call.handler_state = move_handler(call.handler_state, HandlerInput.WAIT)

    def answer_one(self, call: Context, message: bytes) -> None:
        raise AssertionError("no method here answers each request")

    def answer_arrived(self, call: Context) -> None:
        raise AssertionError("no method here answers each request")

    def start_http(self, call: Context, body: bytes | None) -> None:
        call.channel.sender.status(call, 12, "not here")

    def watch(self, call: Context) -> None:
        """Deadlines do not matter here."""

    def unwatch(self, call: Context) -> None:
        """As above."""

    def cancel(self, call: Context) -> None:
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
    """Return what the connection has to say, as its driver would write it; check its books."""
    if not connection.is_finished:
        check_books(connection)
    said = []
    while output := connection.sender.take():
        said.append(output)
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
