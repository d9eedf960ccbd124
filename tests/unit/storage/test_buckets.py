"""The buckets have etcd's names, and there is one more."""

from __future__ import annotations

import pytest

from etcdpy.storage.buckets import Bucket


def test_names_are_etcds() -> None:
    # etcd: server/storage/schema/bucket.go
    assert {bucket.value for bucket in Bucket if bucket.is_etcds} == {
        "key",
        "meta",
        "lease",
        "alarm",
        "cluster",
        "members",
        "members_removed",
        "auth",
        "authUsers",
        "authRoles",
    }


def test_v2_has_a_bucket_that_etcd_does_not_know() -> None:
    assert [bucket for bucket in Bucket if not bucket.is_etcds] == [Bucket.V2]


@pytest.mark.parametrize("bucket", Bucket)
def test_bucket_is_found_by_its_name(bucket: Bucket) -> None:
    assert Bucket(bucket.value) is bucket
    assert bucket.value.encode().decode() == bucket.value
