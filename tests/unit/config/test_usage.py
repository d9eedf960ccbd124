"""What --help and --version print."""

from __future__ import annotations

import re

from etcdpy.config import FLAGS
from etcdpy.config.usage import USAGE, flag_list, version_text
from etcdpy.gostd.platforms import go_arch, go_os
from etcdpy.version import ETCD_VERSION, GIT_SHA, GO_VERSION


def test_every_flag_is_listed_with_its_default_and_its_help() -> None:
    listed = flag_list()
    in_one_line = re.sub(r"\s+", " ", listed)
    for name, row in FLAGS.items():
        assert f"\n  --{name}" in listed
        assert f" --{name} '{row.shown}' {row.help}" in in_one_line


def test_help_fits_a_terminal() -> None:
    wide = [line for line in f"{USAGE}{flag_list()}".splitlines() if len(line) > 80]
    assert wide == []


def test_sections_are_headings_and_come_once() -> None:
    headings = [line for line in flag_list().splitlines() if line and not line.startswith(" ")]
    sections = dict.fromkeys(row.section for row in FLAGS.values())
    assert headings == [f"{section}:" for section in sections]


def test_flag_without_effect_says_so() -> None:
    assert "  --wal-dir ''\n    Path to the dedicated wal directory.\n    Accepted," in flag_list()


def test_version_has_the_shape_of_etcds() -> None:
    version, commit, go, machine = version_text().splitlines()
    assert version == f"etcd Version: {ETCD_VERSION}"
    assert commit == f"Git SHA: {GIT_SHA}"
    assert go == f"Go Version: {GO_VERSION}"
    assert machine == f"Go OS/Arch: {go_os()}/{go_arch()}"
