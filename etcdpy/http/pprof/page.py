"""The page that tells what there is under ``/debug/pprof/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etcdpy.version import ETCD_VERSION, __version__

__all__ = ["index_page"]

#: What there is: where it leads, what it is called, and what it is.
_ROWS: Final = (
    (
        "profile?seconds=10&amp;format=flamegraph",
        "flame graph",
        "where time goes, of the next ten seconds, as a picture to click into",
    ),
    (
        "profile?seconds=10",
        "profile",
        "the same as text: a line for each stack and the number of its samples",
    ),
    (
        "profile?seconds=10&amp;format=speedscope",
        "speedscope",
        "the same in order of time, for speedscope.app",
    ),
    ("goroutine?debug=1", "goroutine", "all threads and tasks, those that are alike together"),
    ("goroutine?debug=2", "full goroutine", "all threads and tasks, one by one"),
    ("threads", "threads", "{threads} threads, and where they are"),
    ("tasks", "tasks", "{tasks} tasks of the loop, and where they wait"),
    ("heap", "heap", "what is in memory: figures, and objects by their type"),
    ("cmdline", "cmdline", "what the process was started with"),
)

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 48rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
p, td { margin: .3rem 0; }
table { border-collapse: collapse; margin: 1.5rem 0; width: 100%; }
td { border-top: 1px solid #8884; padding: .5rem 1rem .5rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; }
code { font-size: .9em; }
"""


def index_page(counts: Mapping[str, int], most_seconds: int) -> str:
    """
    Return the page, in HTML.

    Args:
        counts: How many ``threads`` and ``tasks`` there are.
        most_seconds: The longest profile.

    """
    rows = "\n".join(
        f'<tr><td><a href="{where}">{name}</a></td><td>{text.format(**counts)}</td></tr>'
        for where, name, text in _ROWS
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>/debug/pprof/</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>/debug/pprof/</h1>
<p>etcdpy {__version__}, which serves the API of etcd {ETCD_VERSION}</p>
<table>
{rows}
</table>
<p>Profiles are taken by py-spy while the server goes on, one at a time, for <code>seconds</code>
from 1 to {most_seconds}. Threads that wait are not in them. Stacks are of code alone: no keys, no
values and no passwords are told here.</p>
</body>
</html>
"""
