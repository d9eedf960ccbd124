"""docs/authentication.md tells what each method asks callers for, as the node's table has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etcdpy.node.admission import RULES, Rule
from etcdpy.node.guard import Guard

PAGE = Path(__file__).parents[3] / "docs" / "authentication.md"

Permission = Callable[..., Any] | None

#: What the page says of a method, by whether somebody known has to ask, and the permission.
WORDS: dict[tuple[bool, Permission], str] = {
    (False, None): "nothing",
    (False, Guard.anybody): "nothing",
    (True, Guard.anybody): "any user",
    (False, Guard.root): "`root`",
    (False, Guard.read): "to read all the keys",
    (False, Guard.watch): "to read all the keys",
    (False, Guard.put): "to write the key, and to read it for `prev_kv`; with a lease, to write"
    " the keys that it has",
    (False, Guard.delete_range): "to write all the keys, and to read them for `prev_kv`",
    (False, Guard.txn): "what its operations ask for, and to read the keys of its compares",
    (False, Guard.read_txn): "what its operations ask for, and to read the keys of its compares",
    (True, Guard.write_lease): "any user, and to write the keys of the lease",
    (True, Guard.read_lease): "any user, and to read the keys of the lease if they are asked for",
    (True, Guard.read_leases): "any user, and to read the keys of all leases",
    (True, Guard.alarm): "any user to look, `root` to change",
    (False, Guard.own_user): "to be that user, or `root`",
    (False, Guard.own_role): "to have that role, or `root`",
}


def method_of(name: str) -> str:
    """Return what clients call a method of the node."""
    shown = {"hash_kv": "HashKV", "read_txn": "Txn"}
    return shown.get(name) or name.title().replace("_", "")


def words_of(rule: Rule) -> str:
    return WORDS[rule.needs_name, rule.permission]


def documented() -> dict[str, str]:
    """Return what the page says that methods ask for."""
    _, _, section = PAGE.read_text().partition("\n## What each method asks for\n")
    table, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+) \|$", table, re.MULTILINE)
    listed = [(method, words) for methods, words in rows for method in methods.split(", ")]
    found = {method.strip("`"): words for method, words in listed}
    assert len(found) == len(listed), "a method is listed twice"
    return found


def test_every_method_is_listed_with_what_it_asks_for() -> None:
    assert documented() == {method_of(name): words_of(rule) for name, rule in RULES.items()}
