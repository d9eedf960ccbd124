"""The page that tells what there is."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from etcdpy.http.pprof.page import index_page

PAGE = index_page({"threads": 4, "tasks": 17}, 600)


def test_it_tells_how_many_there_are() -> None:
    assert "4 threads" in PAGE
    assert "17 tasks" in PAGE
    assert "from 1 to 600" in PAGE


def test_links_stay_below_it() -> None:
    links = [unescape(link) for link in re.findall(r'href="([^"]*)"', PAGE)]
    assert "profile?seconds=10&format=flamegraph" in links
    assert all(re.fullmatch(r"[a-z]+(\?[a-z0-9=&]+)?", link) for link in links)


def test_every_tag_is_closed() -> None:
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(PAGE)
    assert opened == []
