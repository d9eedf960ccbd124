"""The table, against that of another implementation."""

import hpack.table

from etcdpy.transport.http2.hpack_static import STATIC_FIELDS


def test_table_is_that_of_the_rfc() -> None:
    assert tuple(hpack.table.HeaderTable.STATIC_TABLE) == STATIC_FIELDS
    assert len(STATIC_FIELDS) == 61
