"""What a client's SETTINGS change in what we send (RFC 9113 6.5.2)."""

from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.http2.frames import MAX_FRAME_SIZE


def obey(payload: bytes, sender: Sender) -> None:
    """
    Apply a SETTINGS frame, in order, and acknowledge it.

    Raises:
        ConnectionFault: A value is not allowed.

    """
    if len(payload) % 6:
        raise ConnectionFault(frames.FRAME_SIZE_ERROR)
    position = len(sender.out)
    initial_window = None
    for name, value in frames.parse_settings(payload):
        if name == frames.INITIAL_WINDOW_SIZE:
            initial_window = value
            if value > frames.MAX_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR)
        else:
            _obey_one(name, value, sender)
    # One frame may name it thousands of times, for thousands of streams: the last counts.
    if initial_window is not None and not sender.set_initial_window(initial_window):
        raise ConnectionFault(frames.FLOW_CONTROL_ERROR)
    # Before DATA that a new window has let out: so the client sees that it was obeyed.
    sender.out.insert(position, frames.SETTINGS_ACK)


def _obey_one(name: int, value: int, sender: Sender) -> None:
    if name == frames.HEADER_TABLE_SIZE:
        sender.announce_empty_table()
    elif name == frames.ENABLE_PUSH:
        if value > 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR)
    elif name == frames.SETTINGS_MAX_FRAME_SIZE:
        # Our frames never are larger than the smallest value allowed.
        if not MAX_FRAME_SIZE <= value < 1 << 24:
            raise ConnectionFault(frames.PROTOCOL_ERROR)
    elif name == frames.MAX_HEADER_LIST_SIZE:
        sender.max_list = value
