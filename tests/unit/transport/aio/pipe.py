"""A transport in memory."""

from __future__ import annotations

import asyncio
from typing import Any


class Pipe(asyncio.Transport):
    """
    A transport to nowhere.

    Attributes:
        written: What was written, one item a call.
        waiting: The bytes TCP has not taken.
        high: How many of them stop the writing, None for as many as asyncio likes.
        log: What else was asked of it.
        protocol: Who was given it last.

    """

    def __init__(self, **info: Any) -> None:
        super().__init__(info)
        self.written: list[bytes] = []
        self.waiting = 0
        self.high: int | None = None
        self.log: list[str] = []
        self.protocol: asyncio.BaseProtocol | None = None

    def get_protocol(self) -> asyncio.BaseProtocol | None:  # type: ignore[override]
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return "abort" in self.log or "close" in self.log

    def write_eof(self) -> None:
        self.log.append("write_eof")

    def pause_reading(self) -> None:
        self.log.append("pause_reading")

    def resume_reading(self) -> None:
        self.log.append("resume_reading")

    def close(self) -> None:
        self.log.append("close")

    def abort(self) -> None:
        self.log.append("abort")
