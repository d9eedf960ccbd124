"""What the snapshot commands print is what etcdutl prints."""

from __future__ import annotations

from etcdpy.cli.snapshot_output import FORMATS
from etcdpy.storage.snapshot_status import Status

STATUS = Status(
    hash=0xB02226D5, revision=200001, total_key=200000, total_size=52060160, version="3.7.0"
)


def test_formats_are_etcdutls() -> None:
    assert FORMATS["simple"](STATUS) == "b02226d5, 200001, 200000, 52 MB, 3.7.0"
    assert FORMATS["json"](STATUS) == (
        '{"hash":2955028181,"revision":200001,"totalKey":200000,'
        '"totalSize":52060160,"version":"3.7.0"}'
    )
    assert FORMATS["fields"](STATUS).splitlines() == [
        '"Hash" : 2955028181',
        '"Revision" : 200001',
        '"Keys" : 200000',
        '"Size" : 52060160',
        '"Version" : 3.7.0',
    ]
    assert FORMATS["table"](STATUS).splitlines() == [
        "┌──────────┬──────────┬────────────┬────────────┬─────────┐",
        "│   HASH   │ REVISION │ TOTAL KEYS │ TOTAL SIZE │ VERSION │",
        "├──────────┼──────────┼────────────┼────────────┼─────────┤",
        "│ b02226d5 │   200001 │     200000 │      52 MB │   3.7.0 │",
        "└──────────┴──────────┴────────────┴────────────┴─────────┘",
    ]
