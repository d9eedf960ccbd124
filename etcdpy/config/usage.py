"""The texts of ``--help`` and ``--version``. Imported only when one of them is asked for."""

from __future__ import annotations

from itertools import groupby

from etcdpy.config.flags import FLAGS
from etcdpy.config.setting import Setting
from etcdpy.gostd.platforms import go_arch, go_os
from etcdpy.version import ETCD_VERSION, GIT_SHA, GO_VERSION

__all__ = ["USAGE", "flag_list", "version_text"]

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

Every flag can also be given as an environment variable: --data-dir is ETCD_DATA_DIR.
"""


def flag_list() -> str:
    """Return every flag with its default and its help, under the headings of the table."""
    sections = groupby(FLAGS.items(), key=lambda item: item[1].section)
    return "\n".join(
        f"{section}:\n{''.join(_entry(name, row) for name, row in rows)}"
        for section, rows in sections
    )


def _entry(name: str, row: Setting) -> str:
    lines = f"  --{name} '{row.shown}'\n    {row.help}\n"
    return f"{lines}    {row.remark}\n" if row.remark else lines


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
