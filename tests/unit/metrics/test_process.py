"""The figures of the process."""

from __future__ import annotations

import os
import resource

import pytest

from etcdpy.metrics.process import ProcessFigures


def figures() -> dict[str, tuple[str, float]]:
    return {
        name: (family.kind, samples[0][1])
        for name, family, samples in ProcessFigures.load().figures()
    }


def test_go_programs_names_are_there() -> None:
    kinds = {name: kind for name, (kind, _) in figures().items()}
    for name in ("cpu_seconds", "network_receive_bytes", "network_transmit_bytes"):
        assert kinds[f"process_{name}_total"] == "counter"
    for name in (
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
        "virtual_memory_max_bytes",
    ):
        assert kinds[f"process_{name}"] == "gauge"


def test_pythons_own_are_there() -> None:
    found = figures()
    assert found["python_info"] == ("gauge", 1.0)
    assert found["python_gc_collections_total"][0] == "counter"


def test_descriptors_have_etcds_names_too() -> None:
    found = figures()
    assert found["os_fd_limit"] == ("gauge", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    kind, before = found["os_fd_used"]
    assert kind == "gauge"
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
    try:
        # Those that tests before this one have left may be closed meanwhile.
        assert figures()["os_fd_used"][1] - before == pytest.approx(100, abs=40)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
