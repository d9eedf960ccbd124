"""
SETTINGS in both directions (RFC 9113 6.5): what we tell a client first, and what it tells us.

    +-------------------------------+
    |        identifier (16)        |
    +-------------------------------+-------------------------------+
    |                           value (32)                          |
    +---------------------------------------------------------------+   any number of these
"""

from __future__ import annotations

from typing import NamedTuple

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.limits import CONNECTION_WINDOW, INITIAL_STREAM_WINDOW, MAX_LARGE_HEADER_LIST


def first_frames(max_concurrent_streams: int | None) -> bytes:
    """
    Return our SETTINGS and the WINDOW_UPDATE that lifts the connection's window.

    Args:
        max_concurrent_streams: What to advertise, None for nothing.

    """
    # RFC 9113 3.4: SETTINGS comes first, and Mint does not go on before it has come.
    values = [(frames.INITIAL_WINDOW_SIZE, INITIAL_STREAM_WINDOW)]
    # RFC 9113 6.5.2: absent is without limit. A number makes clients hold calls back themselves.
    if max_concurrent_streams is not None:
        values.insert(0, (frames.MAX_CONCURRENT_STREAMS, max_concurrent_streams))
    values.append((frames.SETTINGS_MAX_FRAME_SIZE, frames.MAX_FRAME_SIZE))
    # RFC 9113 6.5.2: only advice to the client, so what is larger has to be refused as well.
    values.append((frames.MAX_HEADER_LIST_SIZE, MAX_LARGE_HEADER_LIST))
    # RFC 9113 6.9.2: no setting changes the window of the connection.
    lift = CONNECTION_WINDOW - frames.DEFAULT_WINDOW
    return frames.settings(values) + frames.window_update(0, lift)


class ClientSettings(NamedTuple):
    """
    What one SETTINGS frame of a client changes in what we send.

    Attributes:
        initial_window: The window of each stream, None if it stays.
        max_list: The largest header list the client wants, None if it does not say.
        names_table_size: Whether the size of the HPACK table was mentioned. Our encoder uses
            none, and says so at the start of its next block (RFC 7541 4.2).

    """

    initial_window: int | None
    max_list: int | None
    names_table_size: bool


def read_settings(payload: bytes) -> ClientSettings:
    """
    Return what the payload of a SETTINGS frame changes; of several values the last counts.

    Raises:
        ConnectionFault: The frame is malformed, or a value is not allowed.

    """
    # RFC 9113 6.5: any other length is a FRAME_SIZE_ERROR of the connection.
    if len(payload) % 6:
        raise ConnectionFault(frames.FRAME_SIZE_ERROR)
    initial_window = max_list = None
    names_table_size = False
    # RFC 9113 6.5.3: in the order in which they appear.
    for name, value in frames.parse_settings(payload):
        _check(name, value)
        if name == frames.INITIAL_WINDOW_SIZE:
            initial_window = value
        elif name == frames.MAX_HEADER_LIST_SIZE:
            max_list = value
        elif name == frames.HEADER_TABLE_SIZE:
            names_table_size = True
    return ClientSettings(initial_window, max_list, names_table_size)


def _check(name: int, value: int) -> None:
    """Check a value against RFC 9113 6.5.2; an unknown setting may have any."""
    if name == frames.INITIAL_WINDOW_SIZE and value > frames.MAX_WINDOW:
        raise ConnectionFault(frames.FLOW_CONTROL_ERROR)
    if name == frames.ENABLE_PUSH and value > 1:
        raise ConnectionFault(frames.PROTOCOL_ERROR)
    # Only checked: our frames never exceed the smallest limit there can be.
    if name == frames.SETTINGS_MAX_FRAME_SIZE and not frames.MAX_FRAME_SIZE <= value < 1 << 24:
        raise ConnectionFault(frames.PROTOCOL_ERROR)
