"""A row of the table of settings says what its flag is called, read as, and worth."""

from __future__ import annotations

import pytest

from etcdpy.config import FLAGS
from etcdpy.config.setting import MEMBER, make_setting
from etcdpy.config.urls import parse_urls
from etcdpy.config.values import BadValueError, Duration, UrlList

REFUSED = {
    "discovery-endpoints",
    "discovery-token",
    "discovery-srv",
    "enable-distributed-tracing",
}


def test_default_is_read_as_a_user_would_write_it() -> None:
    row = make_setting(MEMBER, Duration(), "1m30s", "How long.")
    assert (row.default, row.shown, row.remark) == (90.0, "1m30s", "")


def test_default_may_be_shown_in_other_words() -> None:
    assert make_setting(MEMBER, Duration(), "0s", "How long.", shown="never").shown == "never"


def test_list_of_urls_may_be_empty_by_default() -> None:
    assert make_setting(MEMBER, UrlList(), "", "Where.").default == ()
    assert make_setting(MEMBER, UrlList(), "http://a:1", "Where.").default == parse_urls(
        "http://a:1"
    )


def test_default_has_to_be_a_value_of_its_kind() -> None:
    with pytest.raises(BadValueError):
        make_setting(MEMBER, Duration(), "soon", "How long.")


def test_each_flag_is_honoured_or_accepted_or_refused() -> None:
    remarks = {name: row.remark for name, row in FLAGS.items()}
    assert remarks["name"] == ""
    assert remarks["wal-dir"] == "Accepted, without effect."
    refused = {name for name, remark in remarks.items() if remark == "Refused if given."}
    assert refused == REFUSED
