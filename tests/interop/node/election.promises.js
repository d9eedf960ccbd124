"use strict";

const assert = require("node:assert/strict");
const { NotCampaigningError } = require("etcd3");
const { promise } = require("./promise");

// Waits until an observer sees that leader.
async function sees(world, observer, leader) {
  while (observer.leader() !== leader) await world.event(observer, "change");
}

promise("a campaign elects one leader after the other", async (world) => {
  const election = world.space.election("chair", 10);
  const first = election.campaign("first");
  await world.event(first, "elected");
  assert.equal(await election.leader(), "first");

  const second = election.campaign("second");
  const elected = world.event(second, "elected");
  await world.event(second, "_isWaiting");
  assert.equal(await election.leader(), "first");
  await first.resign();
  await elected;
  assert.equal(await election.leader(), "second");
  await second.resign();
  assert.equal(await election.leader(), undefined);
});

promise("an observer sees each leader and what it proclaims", async (world) => {
  const election = world.space.election("chair", 10);
  const observer = await election.observe();
  assert.equal(observer.leader(), undefined);
  const first = election.campaign("first");
  await sees(world, observer, "first");
  await first.proclaim("still first");
  await sees(world, observer, "still first");
  const second = election.campaign("second");
  await world.event(second, "_isWaiting");
  await first.resign();
  await sees(world, observer, "second");
  await second.resign();
  await sees(world, observer, undefined);
  await observer.cancel();
});

promise("a leader that loses its lease loses its office", async (world) => {
  const election = world.space.election("chair", 10);
  const first = election.campaign("first");
  await world.event(first, "elected");
  first.on("error", () => undefined);
  const second = election.campaign("second");
  const elected = world.event(second, "elected");
  await world.event(second, "_isWaiting");
  const candidates = world.space.getAll().prefix("election/chair/").sort("Create", "Ascend");
  const [leader] = (await candidates.exec()).kvs;
  await world.etcd.leaseClient.leaseRevoke({ ID: leader.lease });
  await elected;
  await assert.rejects(() => first.proclaim("not any more"), NotCampaigningError);
  await second.resign();
});

promise("candidates lead in the order of their arrival", async (world) => {
  const election = world.space.election("chair", 10);
  const order = [];
  const campaigns = [];
  for (const name of ["a", "b", "c", "d"]) {
    const campaign = election.campaign(name);
    campaign.on("elected", () => order.push(name));
    await world.event(campaign, name === "a" ? "elected" : "_isWaiting");
    campaigns.push(campaign);
  }
  for (const [i, campaign] of campaigns.entries()) {
    while (order.length < i + 1) await world.event(campaign, "elected");
    await campaign.resign();
  }
  assert.deepEqual(order, ["a", "b", "c", "d"]);
});
