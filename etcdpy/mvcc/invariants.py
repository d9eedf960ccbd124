"""
What must hold inside the store, however it came about: checks too costly while clients wait.

They are off unless the environment says ``ETCDPY_VERIFY=1`` when the process starts, as it does
for tests and the servers they run, or has etcd's own ``ETCD_VERIFY`` ask for assertions. A batch
that contradicts the index then never reaches the disk: the log fails instead.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from typing import Final

from etcdpy.mvcc.attachments import Attachments
from etcdpy.mvcc.history import Version
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.revision import parse_row_key
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.batch import Batch

#: The variable of the environment that turns them on.
VARIABLE: Final = "ETCDPY_VERIFY"
#: etcd's, which may ask for more than these. (etcd: client/pkg/verify/verify.go)
ETCD_VARIABLE: Final = "ETCD_VERIFY"

#: Rows looked at in one batch, the last ones: more would hold up the loop of a test of that.
MOST_ROWS = 1000


def is_wanted(kind: str, environment: Mapping[str, str]) -> bool:
    """
    Return whether etcd's variable asks for a kind of check, by name or with all others.

    Args:
        kind: ``assert`` or ``storage_wal``. (etcd: ``verify.IsVerificationEnabled``)
        environment: Read only.

    """
    return environment.get(ETCD_VARIABLE, "").lower() in ("all", kind)


class Invariants:
    """
    Says whether invariants are checked; there is one, and tests may turn it.

    Attributes:
        are_checked: Whether they are.

    """

    def __init__(self, are_checked: bool) -> None:
        self.are_checked = are_checked


#: Of this process.
switch: Final = Invariants(os.environ.get(VARIABLE) == "1" or is_wanted("assert", os.environ))


def check_batch(index: Index, attachments: Attachments, batch: Batch) -> None:
    """
    Check that the index and the leases' keys are what the rows of a batch say.

    Args:
        index: As it is with all changes of the batch and none after them.
        attachments: Likewise.
        batch: Complete, about to be handed over.

    Raises:
        AssertionError: If not.

    """
    newest: dict[bytes, bytes] = {}
    # Of several changes of one key only the last is still to be seen.
    for row_key, row in islice(reversed(batch.rows.items()), MOST_ROWS):
        newest.setdefault(KeyValue.FromString(row).key, row_key)
    for key, row_key in newest.items():
        main, sub, is_tombstone = parse_row_key(row_key)
        kv = KeyValue.FromString(batch.rows[row_key])
        expected = None if is_tombstone else Version(main, sub, kv.create_revision, kv.version)
        found = index.at(key, main)
        assert found == expected, f"{key!r}: the index has {found} where the row is {expected}"
        assert is_tombstone or kv.mod_revision == main, f"{key!r}: a row of {kv.mod_revision}"
        lease = attachments.lease_of(key)
        assert lease == kv.lease, f"{key!r}: attached to {lease} where the row says {kv.lease}"
    for row_key in batch.drops:
        assert row_key not in batch.rows, f"row {row_key.hex()} is written and dropped at once"
