"""Every method by every kind of caller: who gets what, and who is told what instead.

What is expected is in ``outcomes``, as etcd 3.7.1 has it (``auth_outcomes`` records it).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple, TypeAlias

import pytest

import etcdpy.pb
from tests.conformance import auth_outcomes
from tests.conformance.auth_calls import calls, name_of
from tests.conformance.auth_outcomes import House
from tests.conformance.auth_world import METHODS, Certified, Kind, Signed, Simple
from tests.conformance.conftest import REFERENCE_ARGS, SUBJECTS, subject_server
from tests.support import servers

KINDS = (Simple, Signed, Certified)
CASES = [(kind.name, who) for kind in KINDS for who in kind.callers]


Open: TypeAlias = Callable[[str, str], House]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Return the server of a kind, ``reference`` or one of ``SUBJECTS``, started when needed."""
    kinds: dict[str, Kind] = {
        Simple.name: Simple(),
        Signed.name: Signed(tmp_path_factory.mktemp("keys")),
        Certified.name: Certified(tmp_path_factory.mktemp("certificates")),
    }
    houses: dict[tuple[str, str], House] = {}
    with ExitStack() as stack:

        def opened(server: str, kind: str) -> House:
            if (server, kind) not in houses:
                args = kinds[kind].args
                running = stack.enter_context(
                    servers.reference_etcd([*REFERENCE_ARGS, *args])
                    if server == "reference"
                    else subject_server(server, args)
                )
                houses[server, kind] = House(running, kinds[kind])
                stack.callback(houses[server, kind].close)
            return houses[server, kind]

        yield opened


@pytest.mark.parametrize(("kind", "who"), CASES)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_caller_gets_what_etcd_gives_it(house: Open, subject: str, kind: str, who: str) -> None:
    wrong = _wrong(house(subject, kind), kind, who)
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(("kind", "who"), CASES)
def test_etcd_gives_what_is_expected(house: Open, kind: str, who: str) -> None:
    wrong = _wrong(house("reference", kind), kind, who)
    assert not wrong, "\n".join(map(str, wrong))


class Wrong(NamedTuple):
    call: str
    expected: str
    got: str


def _wrong(house: House, kind: str, who: str) -> list[Wrong]:
    expected = {call: words[who] for call, words in auth_outcomes.read(kind).items()}
    return [
        Wrong(call, expected[call], got)
        for call, got in house.column(who)
        if got != expected[call] and house.version >= auth_outcomes.since(expected[call])
    ]


def test_every_method_is_called() -> None:
    called = {METHODS[method].path for method, _ in calls()}
    assert called == _served_paths()


def _served_paths() -> set[str]:
    modules = (
        importlib.import_module(f"etcdpy.pb.{found.name}")
        for found in pkgutil.iter_modules(etcdpy.pb.__path__)
        if found.name.endswith("_pb2")
    )
    return {
        f"/{service.full_name}/{method.name}"
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_has_a_row_and_every_caller_a_word_in_it(kind: type[Kind]) -> None:
    table = auth_outcomes.read(kind.name)
    assert list(table) == [name_of(*call) for call in calls()]
    assert {tuple(words) for words in table.values()} == {kind.callers}
