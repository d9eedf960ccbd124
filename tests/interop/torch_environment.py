"""A virtual environment with PyTorch, in the last version that brings along all it is linked to."""

from __future__ import annotations

from tests.interop.environment import Environment

ENVIRONMENT = Environment(
    "torch-venv",
    ("torch==1.12.1", "python-etcd==0.4.5", "urllib3==2.8.0", "dnspython==2.8.0"),
    ("3.10",),
    sources=("python-etcd",),
    timeout=900.0,  # 0.8 GB, and 2 GB when unpacked
)
