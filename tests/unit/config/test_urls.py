"""URLs of flags are taken and refused as etcd does, in its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.config.urls import UrlError, check_bindable, check_has_host, parse_url_list, parse_urls


def texts(urls: str) -> list[str]:
    return [str(url) for url in parse_urls(urls)]


def test_urls_are_sorted_and_each_comes_once() -> None:
    given_urls = "unix://a,http://127.0.0.1:2, http://127.0.0.1:1 ,http://127.0.0.1:2"
    assert texts(given_urls) == ["http://127.0.0.1:1", "http://127.0.0.1:2", "unix://a"]


def test_scheme_is_written_small() -> None:
    assert texts("HTTP://127.0.0.1:1") == ["http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:2379", "127.0.0.1", "2379"),
        ("http://[::1]:2379", "::1", "2379"),
        ("http://user:word@host:1", "host", "1"),
        ("http://127.0.0.1:", "127.0.0.1", ""),
        ("http://:2379", "", "2379"),
        ("http://host:3?query#fragment", "host", "3"),
    ],
)
def test_host_and_port(url: str, host: str, port: str) -> None:
    assert parse_urls(url)[0].host_port == (host, port)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("unix:///run/etcd.sock", "/run/etcd.sock"),
        ("unix://etcd.sock", "etcd.sock"),
        ("unix://etcd.sock:1", "etcd.sock:1"),
        ("unix://run/etcd.sock", "run/etcd.sock"),
        ("unix:/run/etcd.sock", "/run/etcd.sock"),
    ],
)
def test_path_of_a_unix_socket(url: str, path: str) -> None:
    assert parse_urls(url)[0].socket_path == path


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1", 'URL address does not have the form "host:port": http://127.0.0.1'),
        ("http://[::1]", 'URL address does not have the form "host:port": http://[::1]'),
        ("http://", 'URL address does not have the form "host:port": http://'),
        ("http:a:3", 'URL address does not have the form "host:port": http:a:3'),
        ("http://a/b", 'URL address does not have the form "host:port": http://a/b'),
        ("http://a:1/", "URL must not contain a path: http://a:1/"),
        ("http://a:1/x?y=1", "URL must not contain a path: http://a:1/x?y=1"),
        ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
        ("localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"),
        ("http://a:1,", "URL scheme must be http, https, unix, or unixs: "),
        ("//a:3", "URL scheme must be http, https, unix, or unixs: //a:3"),
        ("1.2.3.4:2379", 'parse "1.2.3.4:2379": first path segment in URL cannot contain colon'),
        ("1http://a:1", 'parse "1http://a:1": first path segment in URL cannot contain colon'),
        (":1", 'parse ":1": missing protocol scheme'),
        ("http://a:b", 'parse "http://a:b": invalid port ":b" after host'),
        ("http://::1:0", 'parse "http://::1:0": invalid port "::1:0" after host'),
        ("http://[::1]x:3", 'parse "http://[::1]x:3": invalid port "x:3" after host'),
        ("http://[::1:0", "parse \"http://[::1:0\": missing ']' in host"),
        ("http://a b:3", 'parse "http://a b:3": invalid character " " in host name'),
        ("http://a%41:3", 'parse "http://a%41:3": invalid URL escape "%41"'),
        ("http://a:1/%zz", 'parse "http://a:1/%zz": invalid URL escape "%zz"'),
        ("http://a\t:1", r'parse "http://a\t:1": net/url: invalid control character in URL'),
    ],
)  # fmt: skip
def test_refusals_in_etcds_words(url: str, text: str) -> None:
    with pytest.raises(UrlError) as refusal:
        parse_urls(url)
    assert str(refusal.value) == text


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://0.0.0.0:0", "unix://x"],
)
def test_addresses_to_listen_on(url: str) -> None:
    check_bindable(parse_urls(url))


@pytest.mark.parametrize("url", ["http://example.com:1", "http://:2379", "http://127.1:1"])
def test_addresses_that_cannot_be_listened_on(url: str) -> None:
    with pytest.raises(UrlError) as refusal:
        check_bindable(parse_urls(url))
    assert str(refusal.value) == f"expected IP in URL for binding ({url})"


def test_list_is_sorted_and_holds_one_at_least() -> None:
    assert list(map(str, parse_url_list(["http://b:1", "http://a:1"]))) == [
        "http://a:1",
        "http://b:1",
    ]
    with pytest.raises(UrlError, match=r"^no valid URLs given$"):
        parse_url_list([])


def test_advertised_url_needs_a_host() -> None:
    check_has_host(parse_urls("http://example.com:1,unix://x"))
    with pytest.raises(UrlError, match=r"^unexpected empty host \(http://:1\)$"):
        check_has_host(parse_urls("http://:1"))


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        urls = parse_urls(text)
    except UrlError:
        return
    assert parse_urls(",".join(map(str, urls))) == urls
