"""Calls as client libraries make them when a connection was broken: until there is another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

T = TypeVar("T")

#: Seconds after which it is given up, however busy the machine is.
PATIENCE = 60.0


def reconnecting(call: Callable[[], T]) -> T:
    """
    Make a call of grpcio's until it finds a connection, and return what it returns.

    A channel learns of the end of its connection by and by, and puts calls on it meanwhile, which
    are UNAVAILABLE then, those that wait for a connection as well. What the server has applied may
    be applied again.

    Raises:
        grpc.RpcError: What it was refused with, if that is anything else, or has not ended.

    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                raise
        time.sleep(0.01)
