//! What outlives the server, each with a server of its own: killed or ended, and started again.
//!
//! The tests say "kill the server" or "restart the server", and wait for a line.

use crate::leases::look;
use crate::locks::{lock, locked};
use crate::support::{soon, text, Space};
use crate::watches::{expect, watch};
use etcd_client::{GetOptions, PutOptions, WatchOptions};
use std::time::Duration;

/// Has whoever reads our output kill the server and start it again, or restart it.
async fn ask_to(what: &str) {
    println!("{what} the server");
    let read = || std::io::stdin().read_line(&mut String::new());
    tokio::task::spawn_blocking(read).await.unwrap().unwrap();
}

/// Waits until the client reaches the server again.
async fn reach(s: &mut Space) {
    soon("the server is back", async {
        while s.client.get("none", None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn watch_misses_nothing_of_a_killed_server() {
    let mut s = Space::new("watch_misses_nothing_of_a_killed_server").await;
    let everything = WatchOptions::new().with_prefix();
    let mut stream = watch(&s, "", 0, everything.clone()).await;
    s.put("a", "1").await;
    expect(&s, &mut stream, "+a=1").await;
    let seen = s.only("a").await.mod_revision();
    ask_to("kill").await;
    let lost = soon("the watch is lost", async {
        while let Ok(Some(_)) = stream.message().await {}
    });
    lost.await;
    reach(&mut s).await;
    s.put("b", "1").await;
    s.put("a", "2").await;
    s.delete("b").await;
    // This client leaves it to its user to watch again from where it was.
    let mut stream = watch(&s, "", seen + 1, everything).await;
    expect(&s, &mut stream, "+b=1 ~a=2 -b").await;
    s.put("c", "1").await;
    expect(&s, &mut stream, "+c=1").await;
}

#[tokio::test]
async fn what_was_answered_is_kept_by_a_killed_server() {
    let mut s = Space::new("what_was_answered_is_kept_by_a_killed_server").await;
    let before = s.put("a", "1").await.take_header().unwrap();
    ask_to("kill").await;
    reach(&mut s).await;
    let mut found = s.get("a", GetOptions::new()).await;
    let after = found.take_header().unwrap();
    assert_eq!(text(found.kvs()[0].value()), "1");
    assert_eq!(after.revision(), before.revision());
    assert_eq!(after.cluster_id(), before.cluster_id());
    assert_eq!(after.member_id(), before.member_id());
    assert!(after.raft_term() > before.raft_term());
    let next = s.put("a", "2").await.take_header().unwrap();
    assert_eq!(next.revision(), before.revision() + 1);
}

#[tokio::test]
async fn lease_outlives_a_short_restart() {
    let mut s = Space::new("lease_outlives_a_short_restart").await;
    let lease = s.grant(60).await;
    s.put_with("a", "1", PutOptions::new().with_lease(lease))
        .await;
    ask_to("restart").await;
    reach(&mut s).await;
    let told = look(&mut s, lease).await;
    assert_eq!(told.granted_ttl(), 60);
    assert!(
        told.ttl() > 0 && told.ttl() <= 60,
        "seconds left: {}",
        told.ttl()
    );
    assert_eq!(told.keys(), [s.key("a").into_bytes()]);
    s.client.lease_keep_alive(lease).await.unwrap();
    s.client.lease_revoke(lease).await.unwrap();
    assert_eq!(s.get("a", GetOptions::new()).await.count(), 0);
}

#[tokio::test]
async fn lock_outlives_a_short_restart() {
    let mut s = Space::new("lock_outlives_a_short_restart").await;
    let (first, second) = (s.grant(60).await, s.grant(60).await);
    let key = locked(lock(&s, first)).await;
    ask_to("restart").await;
    reach(&mut s).await;
    let waits = lock(&s, second);
    s.until_there_are(2, "lock/").await;
    assert!(!waits.is_finished(), "is held");
    s.client.unlock(key).await.unwrap();
    locked(waits).await;
}
