"""
What ``torchrun`` starts: one of two workers, of whom the second one dies in the first attempt.

    torch_job.py MARK

Prints its rank, how many there are, and the sum of what both have, in the attempt that succeeds.
``MARK`` is a file that tells the attempts from the first.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main(mark: Path) -> None:
    torch: Any = importlib.import_module("torch")
    together: Any = importlib.import_module("torch.distributed")

    together.init_process_group("gloo")
    rank = together.get_rank()
    number = torch.tensor([rank + 1])
    together.all_reduce(number)
    if rank == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    together.barrier()
    print(json.dumps([rank, together.get_world_size(), number.item()]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
