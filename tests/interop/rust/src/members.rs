//! What a member says of itself and of its cluster.

use crate::support::{endpoint, refused, revision, soon, text, Space};
use etcd_client::{AlarmAction, AlarmType, MemberAddOptions};
use sha2::{Digest, Sha256};

#[tokio::test]
async fn status_is_told() {
    let mut s = Space::new("status_is_told").await;
    let at = revision(s.put("k", "v").await.header());
    let status = s.client.status().await.unwrap();
    let header = status.header().unwrap();
    assert_eq!(header.revision(), at);
    assert_eq!(status.leader(), header.member_id(), "leads itself");
    assert_eq!(status.raft_term(), header.raft_term());
    assert!(!status.is_learner() && status.errors().is_empty());
    assert!(status.version().starts_with("3."), "{}", status.version());
    assert!(0 < status.raft_used_db_size() && status.raft_used_db_size() <= status.db_size());
    assert!(status.raft_index() > 0 && status.raft_applied_index() > 0);
    if !status.version().starts_with("3.5.") {
        assert!(status
            .version()
            .starts_with(status.storage_version().trim_end_matches(".0")));
        assert_eq!(status.db_size_quota(), 2 << 30);
        assert!(!status.downgrade_info().unwrap().enabled());
    }
}

#[tokio::test]
async fn there_are_no_alarms() {
    let mut s = Space::new("there_are_no_alarms").await;
    for action in [AlarmAction::Get, AlarmAction::Deactivate] {
        let reply = s
            .client
            .alarm(action, AlarmType::Nospace, None)
            .await
            .unwrap();
        assert!(reply.alarms().is_empty());
    }
}

#[tokio::test]
async fn alarm_stops_writing() {
    let mut s = Space::new("alarm_stops_writing").await;
    s.put("a", "1").await;
    let raised = s
        .client
        .alarm(AlarmAction::Activate, AlarmType::Nospace, None)
        .await
        .unwrap();
    assert_eq!(raised.alarms()[0].alarm(), AlarmType::Nospace);
    let put = s.client.put(s.key("a"), "2", None).await;
    let status = s.client.status().await.unwrap();
    let disarmed = s
        .client
        .alarm(AlarmAction::Deactivate, AlarmType::Nospace, None)
        .await
        .unwrap();
    refused(
        put,
        "ResourceExhausted: etcdserver: mvcc: database space exceeded",
    );
    assert!(
        status.errors()[0].contains("NOSPACE"),
        "{:?}",
        status.errors()
    );
    assert_eq!(disarmed.alarms().len(), 1, "what is no more");
    s.put("a", "3").await;
    assert_eq!(text(s.only("a").await.value()), "3");
}

#[tokio::test]
async fn defragmentation_keeps_everything() {
    let mut s = Space::new("defragmentation_keeps_everything").await;
    s.abc().await;
    s.client.defragment().await.unwrap();
    assert_eq!(s.show(s.clone().all().await.kvs()), "a=9 b=2 c=3");
    s.put("a", "10").await;
    assert_eq!(text(s.only("a").await.value()), "10");
}

#[tokio::test]
async fn hash_tells_what_is_held() {
    let mut s = Space::new("hash_tells_what_is_held").await;
    let before = s.abc().await;
    let then = s.client.hash_kv(before + 2).await.unwrap();
    let now = s.client.hash_kv(0).await.unwrap();
    assert_ne!(then.hash(), now.hash());
    // Not that of the last put: what an earlier test left may end at this moment.
    let newest = revision(now.header());
    assert!(newest >= before + 4);
    assert_eq!(s.client.hash_kv(newest).await.unwrap().hash(), now.hash());
    let whole = s.client.hash().await.unwrap();
    s.put("d", "4").await;
    assert_eq!(
        s.client.hash_kv(before + 2).await.unwrap().hash(),
        then.hash()
    );
    assert_ne!(s.client.hash().await.unwrap().hash(), whole.hash());
    refused(
        s.client.hash_kv(before + 100).await,
        "OutOfRange: etcdserver: mvcc: required revision is a future revision",
    );
}

#[tokio::test]
async fn snapshot_carries_its_digest() {
    let mut s = Space::new("snapshot_carries_its_digest").await;
    s.put("large", &"x".repeat(1 << 20)).await;
    let mut stream = s.client.snapshot().await.unwrap();
    let (mut snapshot, mut left) = (Vec::new(), 0);
    while let Some(part) = soon("a part", stream.message()).await.unwrap() {
        snapshot.extend_from_slice(part.blob());
        left = part.remaining_bytes();
    }
    assert_eq!(left, 0);
    assert_eq!(snapshot.len() % 512, 32, "whole blocks and a digest");
    let (content, digest) = snapshot.split_at(snapshot.len() - 32);
    assert_eq!(Sha256::digest(content).as_slice(), digest);
}

#[tokio::test]
async fn leadership_goes_to_members_only() {
    let mut s = Space::new("leadership_goes_to_members_only").await;
    refused(
        s.client.move_leader(12345).await,
        "FailedPrecondition: etcdserver: bad leader transferee",
    );
}

#[tokio::test]
async fn members_are_listed() {
    let mut s = Space::new("members_are_listed").await;
    let listed = s.client.member_list().await.unwrap();
    let [member] = listed.members() else {
        panic!("{listed:?}")
    };
    assert_eq!(member.id(), listed.header().unwrap().member_id());
    assert!(!member.name().is_empty() && !member.is_learner());
    assert_eq!(member.client_urls(), [endpoint()]);
    assert_eq!(member.peer_urls().len(), 1);
}

#[tokio::test]
async fn learners_come_and_go() {
    let mut s = Space::new("learners_come_and_go").await;
    let own = s.client.member_list().await.unwrap().members()[0].clone();
    let learner = MemberAddOptions::new().with_is_learner();
    let added = s
        .client
        .member_add(["http://127.0.0.1:1"], Some(learner.clone()))
        .await
        .unwrap();
    let member = added.member().unwrap();
    assert!(member.is_learner());
    assert_eq!(member.peer_urls(), ["http://127.0.0.1:1"]);
    assert_eq!(added.member_list().len(), 2);
    settle(&mut s).await;
    refused(
        s.client.member_add(own.peer_urls(), Some(learner)).await,
        "FailedPrecondition: etcdserver: Peer URLs already exists",
    );
    refused(
        s.client.member_promote(member.id()).await,
        "FailedPrecondition: etcdserver: can only promote a learner member which is in sync with leader",
    );
    settle(&mut s).await;
    let left = s.client.member_remove(member.id()).await.unwrap();
    assert_eq!(left.members().len(), 1);
    settle(&mut s).await;
    refused(
        s.client.member_remove(member.id()).await,
        "NotFound: etcdserver: member not found",
    );
}

// An etcd drops, unanswered, a change of its members that reaches raft before the one before it
// counts as applied there, as it does once a later write has been answered.
async fn settle(s: &mut Space) {
    s.put("later", "").await;
}
