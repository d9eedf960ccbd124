"""What a new data directory may be founded on."""

import pytest

from etcdpy.config import Config, InvalidConfigError, check_bootstrap, check_learners, load


def check(*arguments: str) -> None:
    check_bootstrap(load(arguments, {}, lambda level, message, fields: None))


def refusal(*arguments: str) -> str:
    with pytest.raises(InvalidConfigError) as error:
        check(*arguments)
    return str(error.value)


def test_this_member_alone() -> None:
    check()
    check("--name=n1")
    check("--name=n1", "--initial-advertise-peer-urls=http://127.0.0.1:7")
    check("--name=n1", "--initial-cluster=n1=http://localhost:2380,")


def test_member_with_two_urls_in_any_order() -> None:
    urls = "--initial-advertise-peer-urls=http://a:1,http://b:2"
    check("--initial-cluster=default=http://b:2,default=http://a:1", urls)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--initial-cluster="], "default"),
        (["--initial-cluster=foo=http://x:1"], "default"),
        (["--name=n1", "--initial-cluster=n2=http://x:1"], "n1"),
        (["--name="], ""),
    ],
)
def test_own_name_has_to_be_in_the_cluster(arguments: list[str], name: str) -> None:
    text = f'couldn\'t find local name "{name}" in the initial cluster configuration'
    assert refusal(*arguments) == text


def test_peer_urls_have_to_agree() -> None:
    assert refusal("--initial-cluster=default=http://127.0.0.1:1") == (
        "--initial-cluster has default=http://127.0.0.1:1 but missing from "
        "--initial-advertise-peer-urls=http://localhost:2380 "
        '(resolved urls: "http://localhost:2380" != "http://127.0.0.1:1")'
    )


def test_peer_urls_have_to_be_as_many() -> None:
    cluster = "default=http://localhost:2380,default=http://127.0.0.1:2"
    assert refusal(f"--initial-cluster={cluster}") == (
        "--initial-cluster has default=http://127.0.0.1:2 but missing from "
        "--initial-advertise-peer-urls=http://localhost:2380 "
        '(len(["http://localhost:2380"]) != len(["http://127.0.0.1:2" "http://localhost:2380"]))'
    )


def test_advertised_url_that_the_cluster_does_not_list() -> None:
    urls = "--initial-advertise-peer-urls=http://localhost:2380,http://z:1"
    text = refusal(urls, "--initial-cluster=default=http://localhost:2380")
    assert text.startswith("--initial-advertise-peer-urls has http://z:1 but missing from ")


def test_other_members() -> None:
    assert refusal("--initial-cluster=default=http://localhost:2380,b=http://b:1,a=http://a:1") == (
        "--initial-cluster names other members (a, b), but this server is a single node"
    )


@pytest.mark.parametrize(
    ("cluster", "text"),
    [("default", ""), ("default=ftp://x:1", "ftp://x:1")],
)
def test_bad_url_in_the_cluster(cluster: str, text: str) -> None:
    assert refusal(f"--initial-cluster={cluster}") == (
        f"error setting up initial cluster: URL scheme must be http, https, unix, or unixs: {text}"
    )


def test_nobody_to_join() -> None:
    text = refusal("--initial-cluster-state=existing")
    assert text.startswith("cannot fetch cluster info from peer urls: ")


def test_no_learner_at_all_is_no_fewer_than_none() -> None:
    check_learners(Config(max_learners=0))
    with pytest.raises(InvalidConfigError, match="membership: too many learner members"):
        check_learners(Config(max_learners=-1))
