"""The machine has Go's names."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from etcdpy.gostd.platforms import go_arch, go_os, usable_cpus


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_machine_is_named_as_go_names_it(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    named = SimpleNamespace(sysname="Linux", machine=machine)
    monkeypatch.setattr(os, "uname", lambda: named)
    assert (go_os(), go_arch()) == ("linux", name)


def test_processors_are_those_that_the_process_may_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert usable_cpus() == 3


def test_without_such_a_choice_they_are_all_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus() == 1
