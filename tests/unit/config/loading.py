"""Settings as tests load them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from etcdpy.config import Config, InvalidConfigError, load

Notes = list[tuple[str, str, dict[str, object]]]

#: Where to listen, and what has to be given with it.
URLS = ("--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://a:1")


def loaded(*arguments: str, **environment: str) -> Config:
    """Return the settings that a command line and an environment make."""
    return loaded_with_notes(*arguments, **environment)[0]


def loaded_with_notes(*arguments: str, **environment: str) -> tuple[Config, Notes]:
    """Return them with what the operator is told: level, message, fields."""
    notes: Notes = []

    def note(level: str, message: str, fields: Mapping[str, object]) -> None:
        notes.append((level, message, dict(fields)))

    return load(arguments, environment, note), notes


def refusal(*arguments: str, **environment: str) -> str:
    """Return why settings cannot be used."""
    with pytest.raises(InvalidConfigError) as error:
        loaded(*arguments, **environment)
    return str(error.value)
