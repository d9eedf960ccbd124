"""Callers that are asked who they are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Asker:
    """A client, with a token, a certificate or neither."""

    token: str | None = None
    certificate_name: str | None = None
    is_trusted: bool = False
    method: str | None = None
    user_agent: str | None = None

    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def time_remaining(self) -> float | None:
        return None
