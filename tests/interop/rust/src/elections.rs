use crate::support::{refused, soon, text, Space};
use etcd_client::{
    CampaignResponse, Error, LeaderKey, ObserveStream, ProclaimOptions, ResignOptions,
};
use tokio::task::JoinHandle;

/// Begins to stand with a lease.
fn campaign(
    s: &Space,
    lease: i64,
    value: &'static str,
) -> JoinHandle<Result<CampaignResponse, Error>> {
    let mut s = s.clone();
    tokio::spawn(async move { s.client.campaign(s.key("e"), value, lease).await })
}

async fn won(call: JoinHandle<Result<CampaignResponse, Error>>) -> LeaderKey {
    let mut response = soon("won", call).await.unwrap().unwrap();
    response.take_leader().unwrap()
}

async fn leader(s: &mut Space) -> String {
    let response = s.client.leader(s.key("e")).await.unwrap();
    text(response.kv().unwrap().value()).to_owned()
}

async fn proclaim(s: &mut Space, leader: &LeaderKey, value: &str) -> Result<(), Error> {
    let options = ProclaimOptions::new().with_leader(leader.clone());
    s.client.proclaim(value, Some(options)).await.map(drop)
}

async fn resign(s: &mut Space, leader: &LeaderKey) {
    let options = ResignOptions::new().with_leader(leader.clone());
    s.client.resign(Some(options)).await.unwrap();
}

#[tokio::test]
async fn winner_is_the_leader() {
    let mut s = Space::new("winner_is_the_leader").await;
    let lease = s.grant(60).await;
    let leads = won(campaign(&s, lease, "one")).await;
    assert_eq!(text(leads.name()), s.key("e"));
    let name = format!("e/{lease:x}");
    assert_eq!((s.name(leads.key()), leads.lease()), (name.as_str(), lease));
    assert_eq!(s.only(&name).await.create_revision(), leads.rev());
    assert_eq!(leader(&mut s).await, "one");
}

#[tokio::test]
async fn leadership_passes_in_order() {
    let mut s = Space::new("leadership_passes_in_order").await;
    let leases = [s.grant(60).await, s.grant(60).await, s.grant(60).await];
    let mut calls = Vec::new();
    for (n, value) in ["one", "two", "three"].into_iter().enumerate() {
        calls.push(campaign(&s, leases[n], value));
        s.until_there_are(n as i64 + 1, "e/").await;
    }
    let first = won(calls.remove(0)).await;
    assert!(
        calls.iter().all(|call| !call.is_finished()),
        "the others wait"
    );
    resign(&mut s, &first).await;
    won(calls.remove(0)).await;
    assert_eq!(leader(&mut s).await, "two");
    s.client.lease_revoke(leases[1]).await.unwrap();
    won(calls.remove(0)).await;
    assert_eq!(leader(&mut s).await, "three");
}

#[tokio::test]
async fn leader_proclaims() {
    let mut s = Space::new("leader_proclaims").await;
    let lease = s.grant(60).await;
    let leads = won(campaign(&s, lease, "one")).await;
    proclaim(&mut s, &leads, "another").await.unwrap();
    assert_eq!(leader(&mut s).await, "another");
    resign(&mut s, &leads).await;
    let late = proclaim(&mut s, &leads, "too late").await;
    refused(late, "Unknown: election: not leader");
}

#[tokio::test]
async fn nobody_leads_where_nobody_stands() {
    let mut s = Space::new("nobody_leads_where_nobody_stands").await;
    refused(
        s.client.leader(s.key("e")).await,
        "Unknown: election: no leader",
    );
}

#[tokio::test]
async fn candidate_needs_a_lease_that_is() {
    let s = Space::new("candidate_needs_a_lease_that_is").await;
    refused(
        soon("refused", campaign(&s, 12345, "one")).await.unwrap(),
        "Unknown: etcdserver: requested lease not found",
    );
}

#[tokio::test]
async fn candidate_who_gives_up_leaves_the_queue() {
    let mut s = Space::new("candidate_who_gives_up_leaves_the_queue").await;
    let leases = [s.grant(60).await, s.grant(60).await];
    won(campaign(&s, leases[0], "one")).await;
    let waits = campaign(&s, leases[1], "two");
    s.until_there_are(2, "e/").await;
    waits.abort();
    s.until_there_are(1, "e/").await;
}

#[tokio::test]
async fn election_is_observed() {
    let mut s = Space::new("election_is_observed").await;
    let leases = [s.grant(60).await, s.grant(60).await, s.grant(60).await];
    let first = won(campaign(&s, leases[0], "one")).await;
    let mut observer = s.client.observe(s.key("e")).await.unwrap();
    observed(&mut observer, "one").await;
    proclaim(&mut s, &first, "uno").await.unwrap();
    observed(&mut observer, "uno").await;
    let second = campaign(&s, leases[1], "two");
    s.until_there_are(2, "e/").await;
    resign(&mut s, &first).await;
    observed(&mut observer, "two").await;
    resign(&mut s, &won(second).await).await;
    won(campaign(&s, leases[2], "three")).await;
    observed(&mut observer, "three").await;
}

async fn observed(observer: &mut ObserveStream, want: &str) {
    let told = soon("observed", observer.message()).await.unwrap().unwrap();
    assert_eq!(text(told.kv().unwrap().value()), want);
}
