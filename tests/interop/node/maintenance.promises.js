"use strict";

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");
const { promise } = require("./promise");

promise("the status tells of the store and who leads", async ({ etcd, space }) => {
  const { header } = await space.put("a").value("1");
  const status = await etcd.maintenance.status();
  assert.match(status.version, /^3\.\d+\.\d+$/);
  assert.equal(status.header.revision, header.revision);
  assert.equal(status.leader, status.header.member_id);
  assert.equal(status.raftTerm, status.header.raft_term);
  assert.ok(Number(status.dbSize) > 0 && Number(status.raftIndex) > 0);
});

promise("the one member is listed with its addresses", async ({ etcd, address }) => {
  const { header, members } = await etcd.cluster.memberList({});
  assert.equal(members.length, 1);
  assert.equal(members[0].ID, header.member_id);
  assert.deepEqual(members[0].clientURLs, [address]);
});

promise("a snapshot is whole", async (world) => {
  await world.space.put("a").value(Buffer.alloc(100_000, "x"));
  const stream = await world.etcd.maintenance.snapshot();
  const blobs = [];
  stream.on("data", (message) => blobs.push(message));
  await world.event(stream, "end");
  const file = Buffer.concat(blobs.map(({ blob }) => blob));
  // The last message has the hash of the others.
  const hashed = file.subarray(0, -32);
  assert.deepEqual(createHash("sha256").update(hashed).digest(), file.subarray(-32));
  assert.equal(Number(blobs[0].remaining_bytes) + blobs[0].blob.length, hashed.length);
  assert.ok(file.includes(Buffer.from(`${world.prefix}a`)));
});

promise("there are no alarms", async ({ etcd }) => {
  assert.deepEqual((await etcd.maintenance.alarm({ action: "Get", alarm: "None" })).alarms, []);
});

promise("a defragmentation loses nothing", async ({ etcd, space }) => {
  await space.put("a").value("1");
  await etcd.maintenance.defragment();
  assert.equal(await space.get("a").string(), "1");
});
