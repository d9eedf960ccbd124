use crate::support::{refused, soon, Space};
use crate::watches::{expect, next, watch};
use etcd_client::{
    Error, EventType, GetOptions, LeaseGrantOptions, LeaseTimeToLiveOptions,
    LeaseTimeToLiveResponse, PutOptions, WatchOptions,
};

pub async fn look(s: &mut Space, lease: i64) -> LeaseTimeToLiveResponse {
    let options = LeaseTimeToLiveOptions::new().with_keys();
    s.client
        .lease_time_to_live(lease, Some(options))
        .await
        .unwrap()
}

fn attached_to(lease: i64) -> PutOptions {
    PutOptions::new().with_lease(lease)
}

#[tokio::test]
async fn grant_is_told() {
    let mut s = Space::new("grant_is_told").await;
    let granted = s.client.lease_grant(100, None).await.unwrap();
    assert_eq!((granted.ttl(), granted.error()), (100, ""));
    s.put_with("b", "2", attached_to(granted.id())).await;
    s.put_with("a", "1", attached_to(granted.id())).await;
    let told = look(&mut s, granted.id()).await;
    assert_eq!((told.id(), told.granted_ttl()), (granted.id(), 100));
    assert!(
        told.ttl() > 50 && told.ttl() <= 100,
        "seconds left: {}",
        told.ttl()
    );
    let mut keys: Vec<_> = told.keys().iter().map(|key| s.name(key)).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b"]);
    let alone = s
        .client
        .lease_time_to_live(granted.id(), None)
        .await
        .unwrap();
    assert!(alone.keys().is_empty(), "where they are not asked for");
    let leases = s.client.leases().await.unwrap();
    assert!(leases
        .leases()
        .iter()
        .any(|lease| lease.id() == granted.id()));
}

#[tokio::test]
async fn id_may_be_chosen_once() {
    let mut s = Space::new("id_may_be_chosen_once").await;
    let options = LeaseGrantOptions::new().with_id(4711);
    let granted = s
        .client
        .lease_grant(100, Some(options.clone()))
        .await
        .unwrap();
    assert_eq!(granted.id(), 4711);
    refused(
        s.client.lease_grant(100, Some(options)).await,
        "FailedPrecondition: etcdserver: lease already exists",
    );
    s.client.lease_revoke(4711).await.unwrap();
}

#[tokio::test]
async fn short_ones_are_made_longer() {
    let mut s = Space::new("short_ones_are_made_longer").await;
    assert_eq!(s.client.lease_grant(1, None).await.unwrap().ttl(), 2);
}

#[tokio::test]
async fn impossible_ones_are_refused() {
    let mut s = Space::new("impossible_ones_are_refused").await;
    refused(
        s.client.lease_grant(9_000_000_001, None).await,
        "OutOfRange: etcdserver: too large lease TTL",
    );
    refused(
        s.client.lease_revoke(12345).await,
        "NotFound: etcdserver: requested lease not found",
    );
    let kept = s.client.lease_keep_alive(12345).await;
    assert!(
        matches!(kept, Err(Error::LeaseKeepAliveError(_))),
        "{kept:?}"
    );
    assert_eq!(look(&mut s, 12345).await.ttl(), -1);
}

#[tokio::test]
async fn revocation_takes_the_keys() {
    let mut s = Space::new("revocation_takes_the_keys").await;
    let lease = s.grant(100).await;
    let mut stream = watch(&s, "", 0, WatchOptions::new().with_prefix()).await;
    s.put_with("a", "1", attached_to(lease)).await;
    s.put_with("b", "2", attached_to(lease)).await;
    s.put("b", "free").await;
    s.put_with("c", "3", attached_to(lease)).await;
    s.client.lease_revoke(lease).await.unwrap();
    expect(&s, &mut stream, "+a=1 +b=2 ~b=free +c=3 -a -c").await;
    assert_eq!(look(&mut s, lease).await.ttl(), -1);
}

#[tokio::test]
async fn expiry_is_told() {
    let mut s = Space::new("expiry_is_told").await;
    let mut stream = watch(&s, "a", 0, WatchOptions::new().with_prev_key()).await;
    let lease = s.grant(3).await;
    s.put_with("a", "1", attached_to(lease)).await;
    expect(&s, &mut stream, "+a=1").await;
    let response = next(&mut stream).await;
    let expired = &response.events()[0];
    assert_eq!(expired.event_type(), EventType::Delete);
    assert_eq!(
        expired.prev_kv().unwrap().lease(),
        lease,
        "lease that it had"
    );
    assert_eq!(look(&mut s, lease).await.ttl(), -1);
}

#[tokio::test]
async fn keeping_alive_renews() {
    let mut s = Space::new("keeping_alive_renews").await;
    let lease = s.grant(5).await;
    s.put_with("a", "1", attached_to(lease)).await;
    let (mut keeper, mut stream) = s.client.lease_keep_alive(lease).await.unwrap();
    assert_eq!(keeper.id(), lease);
    // Together longer than the lease would last.
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        keeper.keep_alive().await.unwrap();
        let renewed = soon("renewed", stream.message()).await.unwrap().unwrap();
        assert_eq!((renewed.id(), renewed.ttl()), (lease, 5));
    }
    assert_eq!(s.get("a", GetOptions::new()).await.count(), 1);
}

#[tokio::test]
async fn keeping_alive_tells_of_the_end() {
    let mut s = Space::new("keeping_alive_tells_of_the_end").await;
    let lease = s.grant(60).await;
    let (mut keeper, mut stream) = s.client.lease_keep_alive(lease).await.unwrap();
    s.client.lease_revoke(lease).await.unwrap();
    keeper.keep_alive().await.unwrap();
    let told = soon("told", stream.message()).await.unwrap().unwrap();
    assert_eq!((told.id(), told.ttl()), (lease, 0));
}
