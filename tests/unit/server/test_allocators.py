"""Small objects can come from the C library and go back to either, in a running process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.child import TIMEOUT, environment

#: Objects of many kinds are made by one allocator, grow, and go while the other is set.
MIXED = """
import gc, sys
from etcdpy.server.allocators import python_allocators

found = python_allocators()
if found is None:
    sys.exit("none")

def many(first):
    numbers = range(first, first + 20_000)
    return [(str(n), [n, str(n)], {n: float(n)}, bytes(n % 600)) for n in numbers]

def change(objects):
    for text, items, table, _ in objects:
        items.extend(range(60))
        table.update(dict.fromkeys(range(20), text))

arenas = many(0)
assert found.use_library()
assert not found.use_library()
library = many(1)
change(arenas)
found.use_arenas()
change(library)
del arenas[::3], library[::2]
again = many(2)
assert found.use_library()
del again[::2]
change(again)
found.use_arenas()
for objects, first, step in ((again, 2, 2), (library, 1, 2)):
    assert all(int(one[0]) == first + 1 + at * step for at, one in enumerate(objects))
arenas.clear(), library.clear(), again.clear()
gc.collect()
print("whole")
"""

#: A crowd comes and goes, of which one object in a thousand stays.
CROWD = """
import ctypes, gc, sys
from etcdpy.server.allocators import python_allocators
from etcdpy.server.trimming import give_back, private_bytes

found = python_allocators()
if found is None:
    sys.exit("none")
if sys.argv[1] == "library":
    assert found.use_library()
before = private_bytes()
crowd = [(n, str(n)) for n in range(200_000)]
grown = private_bytes() - before
stays = crowd[::1000]
del crowd
gc.collect()
give_back()
print(grown, private_bytes() - before)
"""


def run(program: str, *words: str, **changes: str) -> str:
    """Return what a program says, one in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=environment(changes),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.stderr == "none\n":
        pytest.skip("this Python or this C library has one place for small objects only")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_objects_of_both_live_grow_and_go_whichever_is_set() -> None:
    assert run(MIXED) == "whole\n"


def test_what_a_crowd_has_taken_from_the_library_is_given_back() -> None:
    grown, left = map(int, run(CROWD, "library").split())
    assert grown > 16 << 20
    assert left < grown / 4


def test_what_it_has_taken_from_arenas_is_kept() -> None:
    grown, left = map(int, run(CROWD, "arenas").split())
    assert left > grown / 2


@pytest.mark.parametrize("name", ["malloc", "debug", "pymalloc_debug"])
def test_other_allocators_are_left_alone(name: str) -> None:
    program = "from etcdpy.server.allocators import python_allocators as f; print(f())"
    assert run(program, PYTHONMALLOC=name) == "None\n"


def test_one_that_was_hooked_meanwhile_is_left_alone() -> None:
    said = run(
        "import tracemalloc\n"
        "from etcdpy.server.allocators import python_allocators\n"
        "found = python_allocators()\n"
        "if found is None: raise SystemExit('none')\n"
        "tracemalloc.start()\n"
        "print(found.use_library(), python_allocators())\n"
        "tracemalloc.stop()\n"
        "print(found.use_library())\n"
        "tracemalloc.start(); found.use_arenas(); tracemalloc.stop()\n"
        "print(found.use_library())\n"
        "found.use_arenas(); print(found.use_library())\n"
    )
    assert said.split() == ["False", "None", "True", "False", "True"]
