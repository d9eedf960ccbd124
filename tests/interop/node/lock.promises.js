"use strict";

const assert = require("node:assert/strict");
const { EtcdLockFailedError } = require("etcd3");
const { promise, promiseAcrossRestarts } = require("./promise");

promise("a lock is held by one", async ({ space }) => {
  const held = await space.lock("resource").ttl(30).acquire();
  await assert.rejects(() => space.lock("resource").acquire(), EtcdLockFailedError);
  await held.release();
  const next = await space.lock("resource").acquire();
  await next.release();
  assert.equal(await space.get("resource").exists(), false);
});

promise("a lock is released when the work with it fails", async ({ space }) => {
  const failing = space.lock("resource").do(async () => {
    assert.equal(await space.get("resource").exists(), true);
    throw new Error("the work failed");
  });
  await assert.rejects(() => failing, /the work failed/);
  assert.equal(await space.lock("resource").do(() => "done"), "done");
});

promise("a lock is lost with its lease", async ({ etcd, space }) => {
  const held = await space.lock("resource").acquire();
  await etcd.leaseClient.leaseRevoke({ ID: await held.leaseId() });
  const next = await space.lock("resource").acquire();
  await next.release();
  await held.release();
});

promise("of many who want a lock each gets it in the end", async (world) => {
  let [holders, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++holders);
    await world.space.get("resource").exists();
    holders--;
    done++;
  };
  const clients = Array.from({ length: 6 }, () => world.connect().namespace(world.prefix));
  const contend = (client) => world.persist(() => client.lock("resource").do(work));
  await Promise.all(clients.map(contend));
  assert.deepEqual([most, done], [1, clients.length]);
});

promiseAcrossRestarts("a lock is still held after a restart", async (world) => {
  const held = await world.space.lock("resource").ttl(60).acquire();
  await world.kill();
  await world.start();
  const other = world.connect().namespace(world.prefix);
  await world.persist(() => other.get("resource").string());
  await assert.rejects(() => other.lock("resource").acquire(), EtcdLockFailedError);
  await world.persist(() => held.release());
  const next = await other.lock("resource").acquire();
  await next.release();
});
