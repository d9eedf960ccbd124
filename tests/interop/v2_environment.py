"""A virtual environment with Python's client of v2, which is older than wheels."""

from __future__ import annotations

from tests.interop.environment import Environment

ENVIRONMENT = Environment(
    "v2-venv",
    ("python-etcd==0.4.5", "urllib3==2.8.0", "dnspython==2.9.2"),
    ("3.11", "3.10", "3.12", "3.13"),
    sources=("python-etcd",),
)
