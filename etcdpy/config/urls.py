"""
The URLs of etcd's flags, taken apart as Go's ``net/url`` does.

Written out rather than left to ``urllib`` because the texts of the refusals are part of what
an operator sees, and because Python and Go disagree on which texts are URLs.

"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

from etcdpy.gostd.quoting import go_quote

__all__ = [
    "Url",
    "UrlError",
    "check_bindable",
    "check_has_host",
    "parse_url_list",
    "parse_urls",
]


class UrlError(ValueError):
    """The text is no URL that etcd takes; the message is etcd's."""


class Url(NamedTuple):
    """
    One URL.

    Attributes:
        scheme: ``http``, ``https``, ``unix`` or ``unixs``.
        netloc: What stands between ``//`` and the path, user information left out.
        path: The path, or for ``unix:name`` the name.
        text: The whole, as Go's ``URL.String`` writes it.

    """

    scheme: str
    netloc: str
    path: str
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_unix(self) -> bool:
        return self.scheme in ("unix", "unixs")

    @property
    def socket_path(self) -> str:
        """The file of a unix socket: ``unix://a/b`` is the relative path ``a/b``."""
        return self.netloc + self.path

    @property
    def host_port(self) -> tuple[str, str]:
        """
        Host, without brackets, and port, either possibly empty.

        Raises:
            UrlError: There is no port. (Go: ``net.SplitHostPort``)

        """
        host, colon, port = self.netloc.rpartition(":")
        # In ``[::1]`` the last colon is inside the brackets, and begins no port.
        if not colon or port.endswith("]"):
            raise UrlError(f"address {self.netloc}: missing port in address")
        return host.removeprefix("[").removesuffix("]"), port


def parse_urls(text: str) -> tuple[Url, ...]:
    """
    Read a comma list of URLs as etcd's ``types.NewURLs`` does; sorted, each once.

    Raises:
        UrlError: One of them is refused; the text names it.

    """
    return parse_url_list(text.split(","))


def parse_url_list(texts: Iterable[str]) -> tuple[Url, ...]:
    """
    Read URLs as etcd's ``types.NewURLs`` does; sorted, each once.

    Raises:
        UrlError: One of them is refused, or there is none.

    """
    found = {str(url): url for url in map(_parse_one, texts)}
    if not found:
        raise UrlError("no valid URLs given")
    return tuple(found[key] for key in sorted(found))


def check_bindable(urls: Iterable[Url]) -> None:
    """
    Require an address that can be listened on: an IP, ``localhost`` or a unix socket.

    Raises:
        UrlError: A host name, or no host, is given.

    """
    for url in urls:
        if url.is_unix:
            continue
        host, _ = url.host_port
        # The one name that etcd takes here. (etcd: ``embed.checkBindURLs``)
        if host != "localhost" and not _is_ip(host):
            raise UrlError(f"expected IP in URL for binding ({url})")


def check_has_host(urls: Iterable[Url]) -> None:
    """
    Require a host another machine could be told to connect to.

    Raises:
        UrlError: The host is empty.

    """
    for url in urls:
        # (etcd: ``embed.checkHostURLs``)
        if not url.is_unix and not url.host_port[0]:
            raise UrlError(f"unexpected empty host ({url})")


def _is_ip(host: str) -> bool:
    # Like Go's ``net.ParseIP``, and unlike ``inet_aton``, it refuses ``127.1``.
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORT = re.compile(r"(?::[0-9]*)?")
# Go: url.shouldEscape, mode encodeHost. Control characters and % are refused before.
_NOT_IN_HOST = re.compile(r"[ #/?@\\^`{|}]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


def _parse_one(text: str) -> Url:
    """Parse one URL and apply etcd's rules to it. (etcd: ``types.NewURLs``)"""
    text = text.strip()
    url = _split(text)
    if url.scheme in ("http", "https"):
        try:
            _ = url.host_port
        except UrlError:
            message = f'URL address does not have the form "host:port": {text}'
            raise UrlError(message) from None
        if url.path:
            raise UrlError(f"URL must not contain a path: {text}")
    elif not url.is_unix:
        raise UrlError(f"URL scheme must be http, https, unix, or unixs: {text}")
    return url


def _split(text: str) -> Url:
    """Take ``text`` apart in the order Go's ``url.Parse`` does, with its refusals."""
    try:
        if _CONTROL.search(text):
            raise UrlError("net/url: invalid control character in URL")
        if text.startswith(":"):
            raise UrlError("missing protocol scheme")
        match = _SCHEME.match(text)
        scheme = match[1].lower() if match else ""
        rest = text[match.end() :] if match else text
        hierarchy = re.split(r"[?#]", rest, maxsplit=1)[0]
        if hierarchy.startswith("//"):
            authority, slash, path = hierarchy[2:].partition("/")
            # User information ends at the last @. (Go: ``url.parseAuthority``)
            netloc = authority.rpartition("@")[2]
            _check_netloc(netloc)
            path = slash + path
        else:
            if not scheme and ":" in hierarchy.partition("/")[0]:
                raise UrlError("first path segment in URL cannot contain colon")
            # Text after "http:" without a slash is opaque to Go: neither host nor path.
            netloc, path = "", hierarchy
        _check_escapes(path)
    except UrlError as refusal:
        raise UrlError(f"parse {go_quote(text)}: {refusal}") from None
    return Url(scheme, netloc, path, f"{scheme}:{rest}" if scheme else rest)


def _check_netloc(netloc: str) -> None:
    """Refuse a host or port as Go's ``url.parseHost`` does."""
    if netloc.startswith("["):
        inside, bracket, port = netloc.rpartition("]")
        if not bracket:
            raise UrlError("missing ']' in host")
        host = inside + bracket
    else:
        host, colon, port = netloc.partition(":")
        port = colon + port
    if not _PORT.fullmatch(port):
        raise UrlError(f"invalid port {go_quote(port)} after host")
    if escape := re.search(r"%.{0,2}", host):
        raise UrlError(f"invalid URL escape {go_quote(escape[0])}")
    if strange := _NOT_IN_HOST.search(host):
        raise UrlError(f"invalid character {go_quote(strange[0])} in host name")


def _check_escapes(path: str) -> None:
    if escape := _BAD_ESCAPE.search(path):
        raise UrlError(f"invalid URL escape {go_quote(escape[0])}")
