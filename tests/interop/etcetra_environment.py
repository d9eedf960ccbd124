"""A virtual environment with etcetra, which needs an older grpcio and protobuf than etcdpy."""

from __future__ import annotations

from tests.interop.environment import Environment

ENVIRONMENT = Environment(
    "interop-venv",
    ("etcetra==0.1.19", "grpcio==1.62.2", "grpcio-tools==1.62.2", "protobuf==4.25.9"),
    # grpcio 1.62 has no wheels for later ones, and etcetra locks with asyncio.timeout, new in 3.11.
    ("3.11", "3.12"),
)
