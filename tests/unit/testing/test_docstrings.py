"""The examples in the kit's docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import etcdpy.testing

MODULES = sorted(
    module.name for module in pkgutil.iter_modules(etcdpy.testing.__path__, "etcdpy.testing.")
)


@pytest.mark.parametrize("name", ["etcdpy.testing", *MODULES])
def test_examples_are_right(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples() -> None:
    assert doctest.testmod(etcdpy.testing).attempted
