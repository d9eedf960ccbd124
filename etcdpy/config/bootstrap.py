"""
The settings that a new data directory is founded on. (etcd: ``ServerConfig.VerifyBootstrap``)

Most are looked at only once: a data directory that has been used knows its member and cluster,
and etcd neither needs nor checks them again.

"""

from __future__ import annotations

from collections.abc import Sequence

from etcdpy.config.errors import InvalidConfigError
from etcdpy.config.model import Config
from etcdpy.config.urls import Url, UrlError, parse_urls
from etcdpy.gostd.quoting import go_quote, go_quote_all

__all__ = ["check_bootstrap", "check_learners", "cluster_text"]


def cluster_text(config: Config) -> str:
    """
    Return the initial cluster as it is logged. (etcd: ``URLsMap.String``)

    Raises:
        InvalidConfigError: A URL in it is none.

    """
    members = _members(config.initial_cluster)
    return ",".join(sorted(f"{name}={url}" for name, urls in members.items() for url in urls))


def check_learners(config: Config) -> None:
    """
    Require the learners there are, which are none, not to be too many.

    Raises:
        InvalidConfigError: With etcd's text.

    """
    # There are no learners, so even 0 is a limit that they keep to.
    if config.max_learners < 0:
        raise InvalidConfigError("membership: too many learner members in cluster")


def check_bootstrap(config: Config) -> None:
    """
    Require the initial cluster to be this member alone, under its own name and peer URLs.

    Raises:
        InvalidConfigError: With etcd's text, save where several members are named, which etcd can
            serve and a single node cannot.

    """
    members = _members(config.initial_cluster)
    if config.name not in members:
        raise InvalidConfigError(
            f"couldn't find local name {go_quote(config.name)} in the initial cluster configuration"
        )
    # etcd asks the members that are there already; a single node has nobody to ask.
    if config.initial_cluster_state == "existing":
        raise InvalidConfigError(
            "cannot fetch cluster info from peer urls: "
            "could not retrieve cluster information from the given URLs"
        )
    if len(members) > 1:
        others = ", ".join(sorted(members.keys() - {config.name}))
        raise InvalidConfigError(
            f"--initial-cluster names other members ({others}), but this server is a single node"
        )
    _match(config.name, members[config.name], config.initial_advertise_peer_urls)


def _members(initial_cluster: str) -> dict[str, tuple[Url, ...]]:
    """Read ``a=http://x:1,a=http://y:1``. (etcd: ``types.NewURLsMap``)"""
    texts: dict[str, list[str]] = {}
    for part in filter(None, initial_cluster.split(",")):
        name, _, url = part.partition("=")
        # A name comes once for each peer URL of that member.
        texts.setdefault(name, []).append(url)
    try:
        return {name: parse_urls(",".join(urls)) for name, urls in texts.items()}
    except UrlError as refusal:
        raise InvalidConfigError(f"error setting up initial cluster: {refusal}") from None


def _match(name: str, listed: Sequence[Url], advertised: Sequence[Url]) -> None:
    """
    Require both flags to give the same peer URLs.

    etcd resolves host names first; here they have to agree as they are written.

    """
    # Sorted, as the order in which URLs are given means nothing in either flag.
    ours, theirs = sorted(map(str, advertised)), sorted(map(str, listed))
    if ours == theirs:
        return
    missing = ",".join(f"{name}={url}" for url in theirs if url not in ours)
    if missing:
        raise InvalidConfigError(
            f"--initial-cluster has {missing} but missing from "
            f"--initial-advertise-peer-urls={','.join(ours)} ({_difference(ours, theirs)})"
        )
    unlisted = ",".join(url for url in ours if url not in theirs)
    raise InvalidConfigError(
        f"--initial-advertise-peer-urls has {unlisted} but missing from "
        f"--initial-cluster={','.join(f'{name}={url}' for url in theirs)}"
    )


def _difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    if len(ours) != len(theirs):
        return f"len({go_quote_all(ours)}) != len({go_quote_all(theirs)})"
    first = next(pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1])
    return f"resolved urls: {go_quote(first[0])} != {go_quote(first[1])}"
