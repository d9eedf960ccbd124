use crate::support::{refused, revision, text, Space};
use etcd_client::{
    CompactionOptions, DeleteOptions, GetOptions, KvClientPrefix, PutOptions, SortOrder, SortTarget,
};

#[tokio::test]
async fn put_tells_what_was_there_before() {
    let mut s = Space::new("put_tells_what_was_there_before").await;
    let options = PutOptions::new().with_prev_key();
    let new = s.put_with("a", "1", options.clone()).await;
    assert!(new.prev_key().is_none());
    let first = s.put("a", "2").await;
    assert!(first.prev_key().is_none(), "where it is not asked for");
    let second = s.put_with("a", "3", options).await;
    let before = second.prev_key().unwrap();
    assert_eq!(text(before.value()), "2");
    assert_eq!(before.mod_revision(), revision(first.header()));
    assert_eq!(revision(second.header()), revision(first.header()) + 1);
}

#[tokio::test]
async fn put_keeps_value_or_lease() {
    let mut s = Space::new("put_keeps_value_or_lease").await;
    let (first, second) = (s.grant(60).await, s.grant(60).await);
    s.put_with("a", "1", PutOptions::new().with_lease(first))
        .await;
    s.put_with(
        "a",
        "",
        PutOptions::new().with_ignore_value().with_lease(second),
    )
    .await;
    let moved = s.only("a").await;
    assert_eq!((text(moved.value()), moved.lease()), ("1", second));
    s.put_with("a", "2", PutOptions::new().with_ignore_lease())
        .await;
    let kept = s.only("a").await;
    assert_eq!((text(kept.value()), kept.lease()), ("2", second));
    let missing = s
        .client
        .put(
            s.key("none"),
            "",
            Some(PutOptions::new().with_ignore_value()),
        )
        .await;
    refused(missing, "InvalidArgument: etcdserver: key not found");
}

#[tokio::test]
async fn key_carries_its_history() {
    let mut s = Space::new("key_carries_its_history").await;
    let before = s.abc().await;
    let a = s.only("a").await;
    assert_eq!(text(a.value()), "9");
    assert_eq!(
        (a.create_revision(), a.mod_revision()),
        (before + 1, before + 4)
    );
    assert_eq!((a.version(), a.lease()), (2, 0));
    s.delete("a").await;
    s.put("a", "again").await;
    let again = s.only("a").await;
    assert_eq!((again.create_revision(), again.version()), (before + 6, 1));
}

#[tokio::test]
async fn past_is_read() {
    let mut s = Space::new("past_is_read").await;
    let before = s.abc().await;
    let all = DeleteOptions::new().with_prefix();
    s.client.delete(s.key(""), Some(all)).await.unwrap();
    let want = ["", "a=1", "a=1 b=2", "a=1 b=2 c=3", "a=9 b=2 c=3", ""];
    for (at, want) in (before..).zip(want) {
        let found = s
            .get("", GetOptions::new().with_prefix().with_revision(at))
            .await;
        assert_eq!(s.show(found.kvs()), want, "at {at}");
        assert_eq!(revision(found.header()), before + 5);
    }
    let future = GetOptions::new().with_revision(before + 100);
    refused(
        s.client.get(s.key("a"), Some(future)).await,
        "OutOfRange: etcdserver: mvcc: required revision is a future revision",
    );
}

#[tokio::test]
async fn ranges_are_read() {
    let mut s = Space::new("ranges_are_read").await;
    s.abc().await;
    let until_c = s.get("a", GetOptions::new().with_range(s.key("c"))).await;
    assert_eq!(s.show(until_c.kvs()), "a=9 b=2");
    assert_eq!(s.show(s.clone().all().await.kvs()), "a=9 b=2 c=3");
    let backwards = s.get("c", GetOptions::new().with_range(s.key("a"))).await;
    assert_eq!(backwards.count(), 0);
    let from_b = s
        .get("b", GetOptions::new().with_from_key().with_limit(2))
        .await;
    assert_eq!(s.show(from_b.kvs()), "b=2 c=3");
    let everything = s
        .get("", GetOptions::new().with_all_keys().with_count_only())
        .await;
    assert!(everything.count() >= 3);
}

#[tokio::test]
async fn limit_leaves_more() {
    let mut s = Space::new("limit_leaves_more").await;
    s.abc().await;
    let two = s
        .get("", GetOptions::new().with_prefix().with_limit(2))
        .await;
    assert_eq!(s.show(two.kvs()), "a=9 b=2");
    assert_eq!((two.more(), two.count()), (true, 3));
    let three = s
        .get("", GetOptions::new().with_prefix().with_limit(3))
        .await;
    assert!(!three.more());
}

#[tokio::test]
async fn counts_and_keys_alone() {
    let mut s = Space::new("counts_and_keys_alone").await;
    s.abc().await;
    let count = s
        .get("", GetOptions::new().with_prefix().with_count_only())
        .await;
    assert_eq!((count.count(), count.kvs().len()), (3, 0));
    let keys = s
        .get("", GetOptions::new().with_prefix().with_keys_only())
        .await;
    assert_eq!(s.show(keys.kvs()), "a= b= c=");
    assert_eq!(keys.kvs()[0].version(), 2);
}

#[tokio::test]
async fn sorts_by_each_field() {
    let mut s = Space::new("sorts_by_each_field").await;
    for (name, value) in [
        ("a", "2"),
        ("b", "3"),
        ("c", "1"),
        ("b", "3"),
        ("b", "3"),
        ("a", "2"),
    ] {
        s.put(name, value).await;
    }
    for (target, ascending) in [
        (SortTarget::Key, "a=2 b=3 c=1"),
        (SortTarget::Value, "c=1 a=2 b=3"),
        (SortTarget::Version, "c=1 a=2 b=3"),
        (SortTarget::Create, "a=2 b=3 c=1"),
        (SortTarget::Mod, "c=1 b=3 a=2"),
    ] {
        let up = GetOptions::new()
            .with_prefix()
            .with_sort(target, SortOrder::Ascend);
        assert_eq!(
            s.show(s.clone().get("", up).await.kvs()),
            ascending,
            "{target:?}"
        );
        let down = GetOptions::new()
            .with_prefix()
            .with_sort(target, SortOrder::Descend);
        let words: Vec<_> = ascending.rsplit(' ').collect();
        assert_eq!(
            s.show(s.clone().get("", down.clone()).await.kvs()),
            words.join(" ")
        );
        assert_eq!(
            s.show(s.clone().get("", down.with_limit(1)).await.kvs()),
            words[0]
        );
    }
}

#[tokio::test]
async fn filters_by_revision() {
    let mut s = Space::new("filters_by_revision").await;
    let before = s.abc().await;
    let all = || GetOptions::new().with_prefix();
    for (options, want) in [
        (all().with_min_mod_revision(before + 3), "a=9 c=3"),
        (all().with_max_mod_revision(before + 3), "b=2 c=3"),
        (all().with_min_create_revision(before + 2), "b=2 c=3"),
        (all().with_max_create_revision(before + 2), "a=9 b=2"),
    ] {
        let found = s.get("", options).await;
        assert_eq!(s.show(found.kvs()), want);
        assert_eq!(found.count(), 3, "which filters do not change");
    }
}

#[tokio::test]
async fn stream_of_a_range_is_the_range() {
    let mut s = Space::new("stream_of_a_range_is_the_range").await;
    if s.client
        .status()
        .await
        .unwrap()
        .version()
        .starts_with("3.5.")
    {
        println!("skipped: a server that does not know RangeStream");
        return;
    }
    for n in 0..200 {
        s.put(&format!("{n:03}"), "value").await;
    }
    let mut kv = s.client.kv_client();
    let options = GetOptions::new().with_prefix().with_limit(150);
    let mut stream = kv
        .get_stream(s.key(""), Some(options.clone()))
        .await
        .unwrap();
    let (mut kvs, mut chunks) = (Vec::new(), Vec::new());
    while let Some(mut chunk) = stream.message().await.unwrap() {
        kvs.extend(chunk.take_kvs());
        chunks.push(chunk);
    }
    let whole = s.get("", options).await;
    assert_eq!(s.show(&kvs), s.show(whole.kvs()));
    let last = chunks.pop().unwrap();
    assert_eq!((last.more(), last.count()), (true, 200));
    assert_eq!(revision(last.header()), revision(whole.header()));
    assert!(!chunks.is_empty(), "more than one chunk");
    assert!(chunks
        .iter()
        .all(|chunk| chunk.header().is_none() && chunk.count() == 0));
}

#[tokio::test]
async fn deletion_tells_what_was_there() {
    let mut s = Space::new("deletion_tells_what_was_there").await;
    s.abc().await;
    let options = DeleteOptions::new().with_prev_key();
    let one = s
        .client
        .delete(s.key("b"), Some(options.clone()))
        .await
        .unwrap();
    assert_eq!(s.show(one.prev_kvs()), "b=2");
    let all = options.with_prefix();
    let rest = s.client.delete(s.key(""), Some(all.clone())).await.unwrap();
    assert_eq!(
        (rest.deleted(), s.show(rest.prev_kvs()).as_str()),
        (2, "a=9 c=3")
    );
    let nothing = s.client.delete(s.key(""), Some(all)).await.unwrap();
    assert_eq!(nothing.deleted(), 0);
    assert_eq!(revision(nothing.header()), revision(rest.header()));
}

#[tokio::test]
async fn deletes_a_range() {
    let mut s = Space::new("deletes_a_range").await;
    s.abc().await;
    let until_c = DeleteOptions::new().with_range(s.key("c"));
    let deleted = s.client.delete(s.key("a"), Some(until_c)).await.unwrap();
    assert_eq!((deleted.deleted(), deleted.prev_kvs().len()), (2, 0));
    assert_eq!(s.show(s.clone().all().await.kvs()), "c=3");
}

#[tokio::test]
async fn compaction_ends_the_past() {
    let mut s = Space::new("compaction_ends_the_past").await;
    let before = s.abc().await;
    let physical = CompactionOptions::new().with_physical();
    s.client.compact(before + 3, Some(physical)).await.unwrap();
    let then = s
        .get(
            "",
            GetOptions::new().with_prefix().with_revision(before + 3),
        )
        .await;
    assert_eq!(
        s.show(then.kvs()),
        "a=1 b=2 c=3",
        "at the compacted revision"
    );
    let compacted = "OutOfRange: etcdserver: mvcc: required revision has been compacted";
    let earlier = GetOptions::new().with_revision(before + 2);
    refused(s.client.get(s.key("a"), Some(earlier)).await, compacted);
    refused(s.client.compact(before + 3, None).await, compacted);
}

#[tokio::test]
async fn refusals_have_their_reasons() {
    let mut s = Space::new("refusals_have_their_reasons").await;
    let no_key = "InvalidArgument: etcdserver: key is not provided";
    refused(s.client.put("", "v", None).await, no_key);
    refused(s.client.delete("", None).await, no_key);
    let lease = PutOptions::new().with_lease(12345);
    refused(
        s.client.put(s.key("a"), "v", Some(lease)).await,
        "NotFound: etcdserver: requested lease not found",
    );
    refused(
        s.client.put(s.key("a"), vec![0; (3 << 19) + 1], None).await,
        "InvalidArgument: etcdserver: request is too large",
    );
    assert_eq!(s.all().await.count(), 0, "nothing is written");
}

#[tokio::test]
async fn large_values_come_back() {
    let mut s = Space::new("large_values_come_back").await;
    let value: Vec<u8> = (0..1u32 << 20).map(|n| (n % 251) as u8).collect();
    for n in 0..3 {
        s.client
            .put(s.key(&n.to_string()), value.clone(), None)
            .await
            .unwrap();
    }
    let found = s.all().await;
    assert_eq!(found.kvs().len(), 3);
    assert!(found.kvs().iter().all(|kv| kv.value() == value));
}

#[tokio::test]
async fn concurrent_puts_each_have_a_revision() {
    let mut s = Space::new("concurrent_puts_each_have_a_revision").await;
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let mut s = s.clone();
            tokio::spawn(async move { revision(s.put(&n.to_string(), "v").await.header()) })
        })
        .collect();
    let mut revisions = std::collections::BTreeSet::new();
    for call in calls {
        revisions.insert(call.await.unwrap());
    }
    assert_eq!(revisions.len(), 1000);
    assert_eq!(s.all().await.count(), 1000);
}

#[tokio::test]
async fn namespace_is_a_prefix() {
    let mut s = Space::new("namespace_is_a_prefix").await;
    s.abc().await;
    let mut inside = KvClientPrefix::new(s.client.kv_client(), s.key("").into());
    let found = inside
        .get("a", Some(GetOptions::new().with_range("c")))
        .await
        .unwrap();
    assert_eq!(text(found.kvs()[1].key()), "b");
    inside.put("d", "4", None).await.unwrap();
    assert_eq!(text(s.only("d").await.value()), "4");
}
