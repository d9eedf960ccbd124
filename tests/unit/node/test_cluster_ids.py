"""Member and cluster IDs are etcd's."""

from etcdpy.node.cluster_ids import cluster_id, member_id


def test_ids_of_a_known_etcd() -> None:
    member = member_id(["http://127.0.0.1:47380"], "etcd-cluster")
    assert member == 17767816877210000001
    assert cluster_id(member) == 7222109305586615858


def test_order_of_peer_urls_does_not_matter() -> None:
    urls = ["http://b:2380", "http://a:2380"]
    assert member_id(urls, "t") == member_id(reversed(urls), "t")


def test_token_tells_clusters_apart() -> None:
    assert member_id(["http://a:2380"], "one") != member_id(["http://a:2380"], "two")
