"use strict";

const assert = require("node:assert/strict");
const { EtcdLeaseInvalidError } = require("etcd3");
const { promise, promiseAcrossRestarts } = require("./promise");

promise("a revoked lease takes its keys with it", async ({ etcd, space }) => {
  const lease = space.lease(100);
  await lease.put("a").value("1");
  await lease.put("b").value("2");
  await space.put("c").value("3");
  const id = await lease.grant();
  assert.equal((await space.get("a").exec()).kvs[0].lease, id);

  const { TTL, grantedTTL, keys } = await etcd.leaseClient.leaseTimeToLive({ ID: id, keys: true });
  assert.equal(grantedTTL, "100");
  assert.ok(Number(TTL) > 0);
  assert.equal(keys.length, 2);
  await lease.revoke();
  assert.deepEqual(await space.getAll().keys(), ["c"]);
  assert.equal((await etcd.leaseClient.leaseTimeToLive({ ID: id })).TTL, "-1");
});

promise("a lease is kept alive", async (world) => {
  const lease = world.space.lease(3);
  await lease.put("a").value("1");
  for (let beat = 0; beat < 5; beat++) {
    const { ID, TTL } = await world.event(lease, "keepaliveSucceeded");
    assert.deepEqual([ID, TTL], [await lease.grant(), "3"]);
  }
  assert.equal(await world.space.get("a").string(), "1");
  await lease.revoke();
});

promise("a lease is kept alive once", async (world) => {
  const lease = world.space.lease(100, { autoKeepAlive: false });
  const { ID, TTL } = await lease.keepaliveOnce();
  assert.deepEqual([ID, TTL], [await lease.grant(), "100"]);
  await lease.revoke();
  await assert.rejects(() => lease.keepaliveOnce(), EtcdLeaseInvalidError);
});

promise("a released lease runs out", async (world) => {
  const { space } = world;
  const lease = space.lease(3);
  const { header } = await lease.put("a").value("1");
  const watcher = await space.watch().key("a").startRevision(header.revision).create();
  lease.release();
  await world.event(watcher, "delete");
  assert.equal(await space.get("a").exists(), false);
});

promise("a program hears that its lease is lost", async (world) => {
  const lease = world.space.lease(3);
  const id = await lease.grant();
  await world.event(lease, "keepaliveSucceeded");
  const lost = world.event(lease, "lost");
  await world.etcd.leaseClient.leaseRevoke({ ID: id });
  assert.ok((await lost) instanceof EtcdLeaseInvalidError);
  assert.equal(lease.revoked(), true);
});

promise("a put with a lease that is gone fails", async (world) => {
  const lease = world.space.lease(100);
  const id = await lease.grant();
  await world.etcd.leaseClient.leaseRevoke({ ID: id });
  const put = () => world.space.put("a").value("1").lease(id).exec();
  await assert.rejects(put, EtcdLeaseInvalidError);
  assert.equal(await world.space.get("a").exists(), false);
  lease.release();
});

promise("leases are listed", async ({ etcd, space }) => {
  const leases = [space.lease(100), space.lease(200)];
  const ids = await Promise.all(leases.map((lease) => lease.grant()));
  const listed = (await etcd.leaseClient.leaseLeases()).leases.map(({ ID }) => ID);
  for (const id of ids) assert.ok(listed.includes(id));
  await Promise.all(leases.map((lease) => lease.revoke()));
});

promiseAcrossRestarts("a lease outlives the server and is kept alive again", async (world) => {
  const { space } = world;
  const lease = space.lease(60);
  await lease.put("a").value("1");
  const failed = world.event(lease, "keepaliveFailed");
  await world.kill();
  await failed;
  await world.start();
  await world.event(lease, "keepaliveSucceeded");
  assert.equal(await world.persist(() => space.get("a").string()), "1");
  await lease.revoke();
  assert.equal(await space.get("a").exists(), false);
});
