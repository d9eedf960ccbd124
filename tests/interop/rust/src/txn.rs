use crate::support::{refused, revision, text, Space};
use etcd_client::{Compare, CompareOp, DeleteOptions, Txn, TxnOp, TxnOpResponse};

#[tokio::test]
async fn one_branch_runs() {
    let mut s = Space::new("one_branch_runs").await;
    s.put("a", "1").await;
    let (a, put) = (s.key("a"), |value| TxnOp::put(s.key("a"), value, None));
    let txn = Txn::new()
        .when([Compare::value(a.clone(), CompareOp::Equal, "1")])
        .and_then([put("then"), TxnOp::get(a.clone(), None)])
        .or_else([put("else"), TxnOp::get(a.clone(), None)]);
    for want in ["then", "else"] {
        let done = s.client.txn(txn.clone()).await.unwrap();
        assert_eq!(done.succeeded(), want == "then");
        let replies = done.op_responses();
        assert!(matches!(replies[0], TxnOpResponse::Put(_)));
        let TxnOpResponse::Get(read) = &replies[1] else {
            panic!("{:?}", replies[1])
        };
        assert_eq!(text(read.kvs()[0].value()), want, "read after the put");
        assert_eq!(text(s.only("a").await.value()), want);
    }
}

#[tokio::test]
async fn compares_what_a_key_has() {
    let mut s = Space::new("compares_what_a_key_has").await;
    let before = s.abc().await;
    let lease = s.grant(60).await;
    s.put_with("b", "2", etcd_client::PutOptions::new().with_lease(lease))
        .await;
    let (a, none) = (s.key("a"), s.key("none"));
    for (compare, holds) in [
        (Compare::version(a.clone(), CompareOp::Equal, 2), true),
        (Compare::version(a.clone(), CompareOp::Greater, 2), false),
        (
            Compare::create_revision(a.clone(), CompareOp::Less, before + 2),
            true,
        ),
        (
            Compare::create_revision(a.clone(), CompareOp::NotEqual, before + 1),
            false,
        ),
        (
            Compare::mod_revision(a.clone(), CompareOp::Greater, before + 3),
            true,
        ),
        (
            Compare::mod_revision(a.clone(), CompareOp::Less, before + 4),
            false,
        ),
        (Compare::value(a.clone(), CompareOp::Less, "91"), true),
        (Compare::value(a.clone(), CompareOp::NotEqual, "9"), false),
        (Compare::lease(a.clone(), CompareOp::Equal, 0), true),
        (Compare::lease(s.key("b"), CompareOp::Equal, lease), true),
        (Compare::version(none.clone(), CompareOp::Equal, 0), true),
        (
            Compare::create_revision(none.clone(), CompareOp::Equal, 0),
            true,
        ),
        (
            Compare::value(none.clone(), CompareOp::NotEqual, "x"),
            false,
        ),
        (
            Compare::version(s.key(""), CompareOp::Greater, 0).with_prefix(),
            true,
        ),
        (
            Compare::version(s.key(""), CompareOp::Greater, 1).with_prefix(),
            false,
        ),
        (
            Compare::version(a.clone(), CompareOp::Equal, 2).with_range(s.key("c")),
            true,
        ),
    ] {
        let done = s
            .client
            .txn(Txn::new().when([compare.clone()]))
            .await
            .unwrap();
        assert_eq!(done.succeeded(), holds, "{compare:?}");
    }
}

#[tokio::test]
async fn all_compares_have_to_hold() {
    let mut s = Space::new("all_compares_have_to_hold").await;
    s.abc().await;
    let holds = Compare::version(s.key("a"), CompareOp::Equal, 2);
    let fails = Compare::version(s.key("b"), CompareOp::Equal, 2);
    for (compares, want) in [
        (vec![holds.clone(), holds.clone()], true),
        (vec![holds, fails], false),
        (vec![], true),
    ] {
        let done = s.client.txn(Txn::new().when(compares)).await.unwrap();
        assert_eq!(done.succeeded(), want);
    }
}

#[tokio::test]
async fn has_one_revision() {
    let mut s = Space::new("has_one_revision").await;
    let before = s.abc().await;
    let txn = Txn::new().and_then([
        TxnOp::put(s.key("a"), "x", None),
        TxnOp::put(s.key("b"), "y", None),
        TxnOp::delete(s.key("c"), Some(DeleteOptions::new().with_prev_key())),
    ]);
    let done = s.client.txn(txn).await.unwrap();
    assert_eq!(revision(done.header()), before + 5);
    assert_eq!(s.only("a").await.mod_revision(), before + 5);
    assert_eq!(s.only("b").await.mod_revision(), before + 5);
    let replies = done.op_responses();
    let TxnOpResponse::Delete(deleted) = &replies[2] else {
        panic!("{:?}", replies[2])
    };
    assert_eq!(s.show(deleted.prev_kvs()), "c=3");
    let read = Txn::new().and_then([TxnOp::get(s.key("a"), None)]);
    assert_eq!(
        revision(s.client.txn(read).await.unwrap().header()),
        before + 5
    );
}

#[tokio::test]
async fn nest() {
    let mut s = Space::new("nest").await;
    s.abc().await;
    let b = s.key("b");
    let inner = Txn::new()
        .when([Compare::version(b.clone(), CompareOp::Equal, 0)])
        .and_then([TxnOp::put(b.clone(), "then", None)])
        .or_else([TxnOp::put(b.clone(), "else", None), TxnOp::get(b, None)]);
    let outer = Txn::new().and_then([TxnOp::txn(inner), TxnOp::put(s.key("a"), "10", None)]);
    let done = s.client.txn(outer).await.unwrap();
    let replies = done.op_responses();
    let TxnOpResponse::Txn(nested) = &replies[0] else {
        panic!("{:?}", replies[0])
    };
    assert!(done.succeeded() && !nested.succeeded());
    let replies = nested.op_responses();
    let TxnOpResponse::Get(read) = &replies[1] else {
        panic!("{:?}", replies[1])
    };
    assert_eq!(s.show(read.kvs()), "b=else");
    assert_eq!(
        s.only("a").await.mod_revision(),
        s.only("b").await.mod_revision()
    );
}

#[tokio::test]
async fn puts_a_key_once() {
    let mut s = Space::new("puts_a_key_once").await;
    let put = TxnOp::put(s.key("a"), "1", None);
    refused(
        s.client.txn(Txn::new().and_then([put.clone(), put])).await,
        "InvalidArgument: etcdserver: duplicate key given in txn request",
    );
    assert_eq!(s.all().await.count(), 0, "nothing is written");
}

#[tokio::test]
async fn counts_up_together() {
    let mut s = Space::new("counts_up_together").await;
    s.put("n", "0").await;
    let tasks: Vec<_> = (0..4)
        .map(|_| tokio::spawn(count_up(s.clone(), 25)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(text(s.only("n").await.value()), "100");
}

async fn count_up(mut s: Space, times: usize) {
    let mut done = 0;
    while done < times {
        let found = s.only("n").await;
        let next = text(found.value()).parse::<i32>().unwrap() + 1;
        let unchanged = Compare::mod_revision(s.key("n"), CompareOp::Equal, found.mod_revision());
        let put = TxnOp::put(s.key("n"), next.to_string(), None);
        let txn = Txn::new().when([unchanged]).and_then([put]);
        done += usize::from(s.client.txn(txn).await.unwrap().succeeded());
    }
}
