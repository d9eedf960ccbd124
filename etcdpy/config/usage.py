"""The texts of ``--help`` and ``--version``. Imported only when one of them is asked for."""

from __future__ import annotations

import textwrap
from itertools import groupby

from etcdpy.config.flags import FLAGS
from etcdpy.config.setting import Setting
from etcdpy.gostd.platforms import go_arch, go_os
from etcdpy.version import ETCD_VERSION, GIT_SHA, GO_VERSION

__all__ = ["USAGE", "flag_list", "version_text"]

#: Columns of a terminal, unless somebody has made it wider.
WIDTH = 80

USAGE = """\
Usage:

  etcdpy [flags]
    Start an etcdpy server.

  etcdpy --version
    Show the version of etcdpy.

  etcdpy -h | --help
    Show the help information about etcdpy.

  etcdpy --config-file PATH
    Start with the settings of a YAML or JSON file, and no others.

  etcdpy snapshot save|status|restore
    Move between etcdpy and etcd.

  etcdpy audit PATH
    Ask an audit log who has written or deleted a key.

  etcdpy test-server
    Serve an etcd for a test suite, in memory.

  etcdpy completion bash|zsh|fish
    Print what makes that shell complete all of these.

Every flag can also be given as an environment variable:
--data-dir is ETCD_DATA_DIR.
"""


def flag_list() -> str:
    """Return every flag with its default and its help, under the headings of the table."""
    sections = groupby(FLAGS.items(), key=lambda item: item[1].section)
    return "\n".join(
        f"{section}:\n{''.join(_entry(name, row) for name, row in rows)}"
        for section, rows in sections
    )


def _entry(name: str, row: Setting) -> str:
    texts = [row.help, row.remark] if row.remark else [row.help]
    lines = [f"  --{name} '{row.shown}'"]
    if len(lines[0]) > WIDTH:
        lines = [f"  --{name}"]
        texts.insert(0, f"'{row.shown}'")
    return "".join(f"{line}\n" for line in [*lines, *(part for t in texts for part in _wrap(t))])


def _wrap(text: str) -> list[str]:
    margin = " " * 4
    # What is one word is not taken apart: it may be meant to be copied.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def version_text() -> str:
    """
    Return four lines in the shape of etcd's: what reads the first still finds a version.

    The first is the etcd release whose behaviour this server has.

    """
    return (
        f"etcd Version: {ETCD_VERSION}\n"
        f"Git SHA: {GIT_SHA}\n"
        f"Go Version: {GO_VERSION}\n"
        f"Go OS/Arch: {go_os()}/{go_arch()}\n"
    )
