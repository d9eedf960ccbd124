"""
Where random tests begin.

What the suite draws is the same each time, so that two runs of the same code say the same.
``ETCDPY_SEED=random`` draws anew, to look further, and ``ETCDPY_SEED=<number>`` repeats such a run.
"""

from __future__ import annotations

import os
from random import SystemRandom
from typing import Final

__all__ = ["SEED", "is_drawn"]

_wanted: Final = os.environ.get("ETCDPY_SEED", "20260101")

#: Whether each run draws its own.
is_drawn: Final = _wanted == "random"

#: Of every random test of the run; whoever uses it prints it.
SEED: Final = SystemRandom().randrange(2**32) if is_drawn else int(_wanted)
