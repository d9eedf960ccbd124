"""
Sends messages through kombu, which Celery's go through, with etcd as what carries them.

    python kombu_session.py ADDRESS

Prints the numbers that came out of the queue, and how many are left in it.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main(address: str) -> None:
    kombu: Any = importlib.import_module("kombu")
    with kombu.Connection(f"etcd://{address}/") as connection:
        queue = connection.SimpleQueue("jobs")
        for number in range(20):
            queue.put({"number": number})
        received = []
        for _ in range(20):
            message = queue.get(timeout=20)
            received.append(message.payload["number"])
            message.ack()
        print(json.dumps([received, queue.qsize()]))
        queue.close()


if __name__ == "__main__":
    main(sys.argv[1])
