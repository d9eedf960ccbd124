"""
CPython's own allocator of small objects and the C library, and how to go from one to the other.

``PyMem_SetAllocator`` asks of whoever calls it in a running process that what was allocated before
can still be freed. That is so: only where memory comes from is changed. Growing and freeing stay
with pymalloc, which hands on what lies in none of its arenas, as it always does with objects that
are too large for them. The C library keeps them apart for all versions of Python that have
pymalloc; of any other allocator nothing is known, and it is left alone.
"""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["PythonAllocators", "python_allocators"]

#: ``PyMemAllocatorDomain``: the C library's, and the two that pymalloc serves.
_RAW: Final = 0
_SMALL: Final = (1, 2)

#: What ``_PyMem_GetCurrentAllocatorName`` returns for that pair.
_PYMALLOC: Final = b"pymalloc"


class _Allocator(ctypes.Structure):
    """``PyMemAllocatorEx``."""

    _fields_ = (
        ("ctx", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


class PythonAllocators:
    """
    Both places from which small objects can come (``small_objects.Allocators``).

    Made while pymalloc serves them. Every call of Python's keeps the interpreter's lock.
    """

    __slots__ = ("_arenas", "_library")

    def __init__(self) -> None:
        raw = _current(_RAW)
        self._arenas = [_current(domain) for domain in _SMALL]
        self._library = [
            _Allocator(own.ctx, raw.malloc, raw.calloc, own.realloc, own.free)
            for own in self._arenas
        ]

    def use_library(self) -> bool:
        """Have them come from the C library; return False if somebody else has a hand in it."""
        return _change(self._arenas, self._library)

    def use_arenas(self) -> None:
        """Have them come from Python's arenas, unless somebody else has a hand in it."""
        _change(self._library, self._arenas)


def python_allocators() -> PythonAllocators | None:
    """
    Return what there is to choose from; None if there is no choice.

    That is with another Python than CPython, another allocator (``PYTHONMALLOC``, a build without
    the interpreter's lock, tracemalloc), or a C library that gives no memory back when it is asked.
    """
    name = getattr(ctypes.pythonapi, "_PyMem_GetCurrentAllocatorName", None)
    if name is None or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        return None
    name.restype = ctypes.c_char_p
    return PythonAllocators() if name() == _PYMALLOC else None


def _current(domain: int) -> _Allocator:
    found = _Allocator()
    ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(found))
    return found


def _change(old: list[_Allocator], new: list[_Allocator]) -> bool:
    """Set new ones where the old ones are set; return whether they were."""
    if [bytes(_current(domain)) for domain in _SMALL] != [bytes(one) for one in old]:
        return False
    for domain, allocator in zip(_SMALL, new, strict=True):
        ctypes.pythonapi.PyMem_SetAllocator(domain, ctypes.byref(allocator))
    return True
