"""A virtual environment with Python's clients of the JSON gateway, and what their tests import."""

from __future__ import annotations

from tests.interop.environment import Environment

ENVIRONMENT = Environment(
    "gateway-venv",
    (
        "etcd3gw==2.7.0",
        "tooz==9.1.0",
        "etcd3-py==0.1.6",
        # What the tests of the first two import.
        "ddt==1.7.2",
        "fixtures==4.3.2",
        "oslotest==6.1.1",
        "pymemcache==4.0.0",
        "redis==8.1.0",
        "sysv-ipc==1.2.0",
        "testtools==2.9.1",
    ),
    ("3.11", "3.12", "3.13"),
)
