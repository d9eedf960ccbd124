"""The pages about testing name all that there is, and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from etcdpy.testing import Etcd
from etcdpy.testing.breaking import KINDS
from etcdpy.testing.control import Control
from etcdpy.testing.log import Log
from etcdpy.testing.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
PYTHON = (DOCS / "testing.md").read_text(encoding="utf-8")
OTHERS = (DOCS / "testing-other-languages.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    _, _, rest = page.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def test_every_fault_is_listed() -> None:
    listed = re.findall(
        r"`(\w+)\(", "".join(re.findall(r"^\| (.*?) \|", section(PYTHON, "Faults"), re.M))
    )
    assert set(listed) == set(KINDS) | {"restart"}


def test_every_setting_is_named() -> None:
    said = section(PYTHON, "Settings")
    own = {field.name for field in fields(Settings)} - {"flags"}
    assert {name for name in own if f"{name}=" not in said and f"{name} =" not in said} == set()


def test_everything_that_an_etcd_has_is_named() -> None:
    public = {name for name in vars(Etcd) if not name.startswith("_")}
    # What the fixtures do by themselves.
    assert {name for name in public - {"renew", "where"} if name not in PYTHON} == set()


def test_every_request_of_the_control_address_is_listed() -> None:
    nobody: Any = _Anything()
    acts = Control(nobody, nobody, Log())._acts
    listed = section(OTHERS, "The control address")
    missing = {name for _, name in acts if f"/{name}" not in listed}
    assert missing == set()


def test_first_test_of_the_page_is_green_as_it_stands() -> None:
    (first, *_) = re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    with Etcd() as etcd:
        names["test_first"](etcd)


class _Anything:
    """Has every attribute."""

    def __getattr__(self, name: str) -> Any:
        return name
