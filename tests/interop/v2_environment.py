"""A virtual environment with Python's client of v2, which has no wheel, and what is built on it."""

from __future__ import annotations

from tests.interop.environment import Environment

ENVIRONMENT = Environment(
    "v2-venv",
    ("python-etcd==0.4.5", "urllib3==2.8.0", "dnspython==2.9.2", "kombu==5.7.0"),
    ("3.11", "3.10", "3.12", "3.13"),
    sources=("python-etcd",),
)
