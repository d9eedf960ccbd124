"""docs/configuration.md lists every flag as the table of settings has it."""

from __future__ import annotations

from pathlib import Path

from etcdpy.config import FLAGS, Setting
from etcdpy.config.load import environment_name

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def expected_line(name: str, row: Setting) -> str:
    words = f"{row.help} *{row.remark}*" if row.remark else row.help
    shown = f"`{row.shown}`" if row.shown else ""
    return f"| `--{name}` | `{environment_name(name)}` | {shown} | {words} |"


def test_every_flag_has_its_line_in_order() -> None:
    lines = [
        line
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `--") and "ETCD_" in line
    ]
    assert lines == [expected_line(name, row) for name, row in FLAGS.items()]
