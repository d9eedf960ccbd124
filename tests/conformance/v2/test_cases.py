"""Each case is answered as it says, by etcdpy and by etcd 3.5.1."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conformance.v2.cases import CASES, Case
from tests.conformance.v2.differences import DIFFERENCES
from tests.support.v2 import V2Client


def marked(number: int, case: Case) -> Any:
    marks = [pytest.mark.differs(case.differs)] if case.differs else []
    return pytest.param(number, case, id=case.name, marks=marks)


@pytest.mark.parametrize(
    ("number", "case"), [marked(number, case) for number, case in enumerate(CASES)]
)
def test_case(client: V2Client, number: int, case: Case) -> None:
    start = client.index()
    directory = f"/case{number}"

    def placed(text: str) -> str:
        found = re.sub(
            r"\{\+(\d+)(:\d+)?\}",
            lambda m: format(start + int(m[1]), (m[2] or ":")[1:]),
            text,
        )
        return re.sub(r"^D(?=/|$|\?)", directory, found)

    for step in case.steps:
        method, path, *form = step.request.split(" ", 2)
        reply = client.ask(method, placed(path), "".join(form), step.kind)
        assert reply.status == step.status, f"{step.request}: {reply.body!r}"
        if step.told is not None:
            assert_told(step.told, reply.json, start, placed)


def assert_told(wanted: Any, told: Any, start: int, placed: Any) -> None:
    """Assert that something of JSON says what is wanted, and maybe more."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert_told(value, told.get(name), start, placed)
    elif isinstance(wanted, list):
        assert len(told) == len(wanted)
        for value, one in zip(wanted, told, strict=True):
            assert_told(value, one, start, placed)
    elif isinstance(wanted, str) and isinstance(told, int):
        assert told == start + int(wanted)
    elif isinstance(wanted, str):
        assert told == placed(wanted)
    else:
        assert told == wanted


def test_every_difference_is_of_a_case_or_a_test() -> None:
    of_cases = {case.differs for case in CASES if case.differs}
    assert of_cases <= DIFFERENCES.keys()
