"""Go's %q, checked against what Go prints."""

import pytest

from etcdpy.gostd.quoting import go_quote, go_text


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (b"", '""'),
        (b"/Range", '"/Range"'),
        (b'a"b\\c', r'"a\"b\\c"'),
        (b"\t\n\x00\x1f\x7f", r'"\t\n\x00\x1f\x7f"'),
        ("é世".encode(), '"é世"'),
        (b"\xff\xc3", r'"\xff\xc3"'),
        ("\u00a0\u200b".encode(), r'"\u00a0\u200b"'),
        ("\U000e0001".encode(), r'"\U000e0001"'),
    ],
)
def test_quotes_as_go_does(value: bytes, quoted: str) -> None:
    assert go_quote(value) == quoted


def test_plain_text_replaces_what_is_no_utf8() -> None:
    assert go_text(b"a\xffb") == "a\ufffdb"
