"""
One of two workers of a job of PyTorch's that meet by a key in etcd, and then reckon together.

    python torch_session.py BACKEND ADDRESS

Prints its rank, how many there are, what the other one stored for it, the sum of what both have,
and whether the rendezvous is closed when it has left it.
"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import timedelta
from typing import Any

PATIENCE = timedelta(seconds=60)


def main(backend: str, address: str) -> None:
    torch: Any = importlib.import_module("torch")
    together: Any = importlib.import_module("torch.distributed")
    rendezvous: Any = importlib.import_module("torch.distributed.elastic.rendezvous")
    registry: Any = importlib.import_module("torch.distributed.elastic.rendezvous.registry")

    registry._register_default_handlers()  # as torchrun does
    handler = registry.get_rendezvous_handler(
        rendezvous.RendezvousParameters(backend, address, run_id="job", min_nodes=2, max_nodes=2)
    )
    store, rank, size = handler.next_rendezvous()
    store.set(f"from {rank}", f"{rank} greets")
    greeting = store.get(f"from {1 - rank}").decode()

    together.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
    number = torch.tensor([rank + 1])
    together.all_reduce(number)
    together.barrier()
    handler.shutdown()
    print(json.dumps([rank, size, greeting, number.item(), handler.is_closed()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
