"""
Named tuples that are quick to make.

A start makes some sixty. ``typing`` compiles a constructor for each of them, and each annotation
of its fields, which nobody looks at: a twentieth of a start. Here one constructor is compiled for
each number of fields. Its code is then given the names of the fields, so that calls take as long,
and are refused in the same words, as with ``typing``'s. What reads types sees those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    try:
        # What makes a field of ``collections.namedtuple`` quick to read.
        from _collections import _tuplegetter as _field
    except ImportError:

        def _field(place: int, doc: str) -> property:
            return property(itemgetter(place), doc=doc)

    #: What a constructor sees.
    _GLOBALS = {"_tuple_new": tuple.__new__, "__builtins__": {}}

    #: By their number of fields: the code of constructors, whose fields have no names yet.
    _codes: dict[int, CodeType] = {}

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> Callable:
        count = len(fields)
        if count not in _codes:
            words = "".join(f"_{place}, " for place in range(count))
            source = f"lambda _cls, {words}: _tuple_new(_cls, ({words}))"
            _codes[count] = eval(source, dict(_GLOBALS)).__code__  # noqa: S307 - it is ours
        code = _codes[count].replace(co_varnames=("_cls", *fields), co_name="__new__")
        made = FunctionType(code, _GLOBALS, "__new__", defaults or None)
        made.__qualname__ = f"{name}.__new__"
        return made

    class _Record(tuple):
        """What all named tuples have; see ``collections.namedtuple``."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it

        @classmethod
        def _make(cls, iterable: Iterable[Any]) -> Any:
            made = tuple.__new__(cls, iterable)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes: Any) -> Any:
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"Got unexpected field names: {list(changes)!r}")
            return made

        __replace__ = _replace

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            told = ", ".join(f"{name}={self[n]!r}" for n, name in enumerate(self._fields))
            return f"{self.__class__.__name__}({told})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    class _Making(type):
        """Makes a class of records of what stands in a class statement."""

        def __new__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> type:
            fields = tuple(names.get("__annotations__", ()))
            if not fields:
                # Python 3.14 does not have them yet, unless they are texts.
                raise TypeError(f"{name} has no fields, or no `from __future__ import annotations`")
            given = {field: names.pop(field) for field in fields if field in names}
            if fields[len(fields) - len(given) :] != tuple(given):
                raise TypeError(f"a field of {name} without a default follows one that has one")
            names |= {
                field: _field(place, f"Alias for field number {place}")
                for place, field in enumerate(fields)
            }
            names |= {
                "__slots__": (),
                "__match_args__": fields,
                "__new__": _constructor(name, fields, tuple(given.values())),
                "_fields": fields,
                "_field_defaults": given,
            }
            return type(name, (_Record,), names)

    class _Marker:
        """Stands for the base that a class of records does not have."""

        def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
            return (_BASE,)

    _BASE = type.__new__(_Making, "NamedTuple", (), {})
    NamedTuple = _Marker()
