"use strict";

const assert = require("node:assert/strict");
const { promise } = require("./promise");

promise("a namespace is a prefix that its user does not see", async ({ etcd, space, prefix }) => {
  const inner = space.namespace("inner/");
  await inner.put("a").value("1");
  await space.put("a").value("2");
  assert.deepEqual(await inner.getAll(), { a: "1" });
  assert.deepEqual(await space.getAll(), { a: "2", "inner/a": "1" });
  assert.equal(await etcd.get(`${prefix}inner/a`).string(), "1");
});

promise("a namespace ends where its prefix does", async ({ space }) => {
  const inner = space.namespace("inner/");
  await inner.put("a").value("1");
  await space.put("inner0").value("outside");
  await space.put("inner.").value("outside");
  assert.equal((await inner.delete().all()).deleted, "1");
  assert.deepEqual(await space.getAll().keys(), ["inner.", "inner0"]);
});

promise("a namespace holds for watches, transactions, leases and locks", async (world) => {
  const inner = world.space.namespace("inner/");
  const watcher = await inner.watch().prefix("").create();
  const keys = [];
  watcher.on("put", (kv) => keys.push(kv.key.toString()));
  await world.space.put("outside").value("1");
  await inner.if("a", "Version", "==", 0).then(inner.put("a").value("1")).commit();
  const lease = inner.lease(100);
  await lease.put("b").value("1");
  const lock = await inner.lock("c").acquire();
  while (keys.length < 3) await world.event(watcher, "data");
  assert.deepEqual(keys, ["a", "b", "c"]);
  const outside = await world.space.getAll().prefix("inner/").keys();
  assert.deepEqual(outside, ["inner/a", "inner/b", "inner/c"]);
  await lock.release();
  await lease.revoke();
});
