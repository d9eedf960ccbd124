"""A virtual environment with Patroni, which speaks v2 and the JSON gateway of v3."""

from __future__ import annotations

from tests.interop.environment import Environment

VERSIONS = ("3.11", "3.12", "3.13")

ENVIRONMENT = Environment(
    "patroni-venv",
    (
        "patroni==4.1.5",
        "psycopg[binary]==3.3.9",
        "python-etcd==0.4.5",
        "urllib3==2.8.0",
        "dnspython==2.9.2",
    ),
    VERSIONS,
    sources=("python-etcd", "ydiff"),
    # It is not run as root, and root's own Python may be where others cannot go.
    preferred=tuple(f"/usr/bin/python{version}" for version in VERSIONS),
)
