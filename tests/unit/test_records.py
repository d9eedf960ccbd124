"""Named tuples that are quick to make are what ``typing``'s are."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from etcdpy import records


class Plain(typing.NamedTuple):
    name: str
    size: int = 3
    rest: tuple[int, ...] = ()

    def doubled(self) -> int:
        """Return twice the size."""
        return self.size * 2


class Quick(records.NamedTuple):
    name: str
    size: int = 3
    rest: tuple[int, ...] = ()

    def doubled(self) -> int:
        """Return twice the size."""
        return self.size * 2


class Below(Quick):
    __slots__ = ()

    def __str__(self) -> str:
        return f"<{super().__repr__()}>"


BOTH = pytest.mark.parametrize("kind", [Plain, Quick])


@BOTH
def test_fields_are_read_by_name_and_by_place(kind: Any) -> None:
    made = kind("a", rest=(1, 2))
    assert (made.name, made.size, made.rest) == tuple(made) == ("a", 3, (1, 2))
    assert made.doubled() == 6
    match made:
        case kind(name, size):
            assert (name, size) == ("a", 3)


@BOTH
def test_records_are_tuples(kind: Any) -> None:
    made: Any = kind("a", 1)
    assert made == ("a", 1, ())
    assert hash(made) == hash(("a", 1, ()))
    assert made < kind("b", 0)
    with pytest.raises(AttributeError):
        made.name = "b"
    with pytest.raises(AttributeError):
        made.other = 1
    assert issubclass(kind, tuple)


@BOTH
def test_records_are_changed_in_a_copy(kind: Any) -> None:
    made = kind("a", 1)
    assert made._replace(size=7) == ("a", 7, ())
    assert made._asdict() == {"name": "a", "size": 1, "rest": ()}
    assert kind._make(["b", 2, (3,)]) == ("b", 2, (3,))
    assert copy.copy(made) == made
    with pytest.raises((TypeError, ValueError), match="unexpected field names: \\['other'\\]"):
        made._replace(other=1)
    with pytest.raises(TypeError, match="Expected 3 arguments, got 1"):
        kind._make(["b"])


def test_both_tell_the_same_of_themselves() -> None:
    assert repr(Quick("a")) == repr(Plain("a")).replace("Plain", "Quick")
    assert str(Below("a")) == "<Below(name='a', size=3, rest=())>"
    for attribute in ("_fields", "_field_defaults", "__match_args__"):
        assert getattr(Quick, attribute) == getattr(Plain, attribute)
    assert Quick.__module__ == __name__
    assert Quick.doubled.__doc__ == "Return twice the size."


@pytest.mark.parametrize(
    ("words", "named"), [((), {}), (("a", 1, (), 2), {}), (("a",), {"other": 1})]
)
def test_what_is_wrong_is_told_in_the_same_words(
    words: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError) as theirs:
        Plain(*words, **named)
    with pytest.raises(TypeError) as ours:
        Quick(*words, **named)
    assert str(ours.value) == str(theirs.value).replace("Plain", "Quick")


def test_records_can_be_sent_to_another_process() -> None:
    made = Quick("a", rest=(1,))
    assert pickle.loads(pickle.dumps(made)) == made


def test_field_without_a_default_is_refused_behind_one_that_has_one() -> None:
    with pytest.raises(TypeError, match="without a default"):

        class Wrong(records.NamedTuple):
            size: int = 3
            name: str  # type: ignore[misc]


def test_record_without_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="no fields"):

        class Empty(records.NamedTuple):
            pass
