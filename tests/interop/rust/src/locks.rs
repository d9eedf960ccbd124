use crate::leases::look;
use crate::support::{refused, soon, Space};
use etcd_client::{Error, LockOptions, LockResponse};
use tokio::task::JoinHandle;

/// Begins to lock with a lease.
pub fn lock(s: &Space, lease: i64) -> JoinHandle<Result<LockResponse, Error>> {
    let mut s = s.clone();
    let options = LockOptions::new().with_lease(lease);
    tokio::spawn(async move { s.client.lock(s.key("lock"), Some(options)).await })
}

pub async fn locked(call: JoinHandle<Result<LockResponse, Error>>) -> Vec<u8> {
    soon("locked", call).await.unwrap().unwrap().key().to_vec()
}

#[tokio::test]
async fn key_is_named_after_the_lease() {
    let mut s = Space::new("key_is_named_after_the_lease").await;
    let lease = s.grant(60).await;
    let key = locked(lock(&s, lease)).await;
    let name = format!("lock/{lease:x}");
    assert_eq!(s.name(&key), name);
    let held = s.only(&name).await;
    assert_eq!((held.lease(), held.value()), (lease, b"".as_slice()));
    assert_eq!(locked(lock(&s, lease)).await, key, "locked again");
    s.client.unlock(key).await.unwrap();
    assert_eq!(s.all().await.count(), 0);
}

#[tokio::test]
async fn passes_in_order() {
    let mut s = Space::new("passes_in_order").await;
    let mut calls = Vec::new();
    for n in 1..=3 {
        let lease = s.grant(60).await;
        calls.push(lock(&s, lease));
        s.until_there_are(n, "lock/").await;
    }
    for _ in 0..3 {
        let key = locked(calls.remove(0)).await;
        assert!(
            calls.iter().all(|call| !call.is_finished()),
            "the others wait"
        );
        s.client.unlock(key).await.unwrap();
    }
}

#[tokio::test]
async fn passes_when_the_lease_ends() {
    let mut s = Space::new("passes_when_the_lease_ends").await;
    let (first, second) = (s.grant(60).await, s.grant(60).await);
    locked(lock(&s, first)).await;
    let waits = lock(&s, second);
    s.until_there_are(2, "lock/").await;
    s.client.lease_revoke(first).await.unwrap();
    locked(waits).await;
}

#[tokio::test]
async fn one_who_gives_up_leaves_the_queue() {
    let mut s = Space::new("one_who_gives_up_leaves_the_queue").await;
    let (first, second) = (s.grant(60).await, s.grant(60).await);
    let held = locked(lock(&s, first)).await;
    let waits = lock(&s, second);
    s.until_there_are(2, "lock/").await;
    waits.abort();
    s.until_there_are(1, "lock/").await;
    s.client.unlock(held).await.unwrap();
}

#[tokio::test]
async fn makes_a_lease_where_there_is_none() {
    let mut s = Space::new("makes_a_lease_where_there_is_none").await;
    let key = locked(lock(&s, 0)).await;
    let name = s.name(&key).to_owned();
    let lease = s.only(&name).await.lease();
    assert_eq!(look(&mut s, lease).await.granted_ttl(), 60);
}

#[tokio::test]
async fn needs_a_lease_that_is() {
    let s = Space::new("needs_a_lease_that_is").await;
    refused(
        soon("refused", lock(&s, 12345)).await.unwrap(),
        "Unknown: etcdserver: requested lease not found",
    );
}
