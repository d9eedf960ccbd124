"use strict";

const assert = require("node:assert/strict");
const { GRPCInvalidArgumentError, GRPCOutOfRangeError } = require("etcd3");
const { promise } = require("./promise");

// Writes a=9 (put twice), b=2 and c=3, and returns the revision before them.
async function abc(space) {
  const first = await space.put("a").value("1");
  await space.put("b").value("2");
  await space.put("c").value("3");
  await space.put("a").value("9");
  return Number(first.header.revision) - 1;
}

promise("a value is read back as it was written", async ({ space }) => {
  await space.put("text").value("значение");
  await space.put("number").value(42);
  await space.put("json").value(JSON.stringify({ a: [1, null] }));
  await space.put("empty").value("");

  assert.equal(await space.get("text").string(), "значение");
  assert.equal(await space.get("number").number(), 42);
  assert.deepEqual(await space.get("json").json(), { a: [1, null] });
  assert.equal(await space.get("empty").string(), "");
  assert.equal(await space.get("missing").string(), null);
  assert.equal(await space.get("missing").exists(), false);
});

promise("keys and values are bytes", async ({ space }) => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await space.put(every).value(every);
  assert.deepEqual(await space.get(every).buffer(), every);
  assert.deepEqual(await space.getAll().keyBuffers(), [every]);
});

promise("a range is limited, sorted and counted", async ({ space }) => {
  await abc(space);
  assert.deepEqual(await space.getAll(), { a: "9", b: "2", c: "3" });
  assert.deepEqual(await space.getAll().prefix("b").strings(), { b: "2" });
  assert.deepEqual(await space.getAll().inRange({ start: "a", end: "c" }).keys(), ["a", "b"]);
  assert.deepEqual(await space.getAll().sort("Key", "Descend").keys(), ["c", "b", "a"]);
  assert.deepEqual(await space.getAll().sort("Value", "Ascend").keys(), ["b", "c", "a"]);
  assert.deepEqual(await space.getAll().sort("Version", "Descend").limit(1).keys(), ["a"]);
  assert.deepEqual(await space.getAll().numbers(), { a: 9, b: 2, c: 3 });
  assert.equal(await space.getAll().count(), 3);
  const page = await space.getAll().limit(2).exec();
  assert.deepEqual([page.kvs.length, page.more, page.count], [2, true, "3"]);
});

promise("a range reads an old revision", async ({ space }) => {
  const r = await abc(space);
  assert.deepEqual(await space.getAll().revision(r + 2).strings(), { a: "1", b: "2" });
  assert.equal(await space.get("a").revision(r + 1).string(), "1");
  assert.equal(await space.get("a").serializable(true).string(), "9");
});

promise("a range is filtered by revisions", async ({ space }) => {
  const r = await abc(space);
  assert.deepEqual(await space.getAll().minModRevision(r + 3).keys(), ["a", "c"]);
  assert.deepEqual(await space.getAll().maxModRevision(r + 3).keys(), ["b", "c"]);
  assert.deepEqual(await space.getAll().minCreateRevision(r + 2).keys(), ["b", "c"]);
  assert.deepEqual(await space.getAll().maxCreateRevision(r + 1).keys(), ["a"]);
});

promise("a key-value has its revisions and its version", async ({ space }) => {
  const r = await abc(space);
  const { header, kvs } = await space.get("a").exec();
  assert.equal(header.revision, String(r + 4));
  const { create_revision, mod_revision, version, lease } = kvs[0];
  assert.deepEqual(
    [create_revision, mod_revision, version, lease],
    [String(r + 1), String(r + 4), "2", "0"],
  );
});

promise("a put tells what was there before", async ({ space }) => {
  const r = await abc(space);
  const previous = await space.put("a").value("10").getPrevious();
  assert.equal(previous.value.toString(), "9");
  assert.equal(previous.mod_revision, String(r + 4));
  assert.equal((await space.put("new").value("1").getPrevious()).value, undefined);
});

promise("a touch keeps the value", async ({ space }) => {
  await abc(space);
  await space.put("a").touch();
  const [kv] = (await space.get("a").exec()).kvs;
  assert.deepEqual([kv.value.toString(), kv.version], ["9", "3"]);
  await assert.rejects(() => space.put("missing").touch(), {
    message: /etcdserver: key not found/,
    name: "Error",
  });
});

promise("a delete takes what it is told and tells what it took", async ({ space }) => {
  await abc(space);
  const taken = await space.delete().key("a").getPrevious();
  assert.deepEqual(taken.map((kv) => kv.value.toString()), ["9"]);
  assert.equal((await space.delete().key("a")).deleted, "0");
  assert.equal((await space.delete().prefix("b")).deleted, "1");
  assert.deepEqual(await space.getAll().keys(), ["c"]);
  assert.equal((await space.delete().all()).deleted, "1");
  assert.equal(await space.getAll().count(), 0);
});

promise("compacted and future revisions are refused", async ({ etcd, space }) => {
  const r = await abc(space);
  await etcd.kv.compact({ revision: r + 3, physical: true });
  await assert.rejects(() => space.get("a").revision(r + 2).string(), {
    constructor: GRPCOutOfRangeError,
    message: /mvcc: required revision has been compacted/,
  });
  await assert.rejects(() => space.get("a").revision(r + 100).string(), {
    constructor: GRPCOutOfRangeError,
    message: /mvcc: required revision is a future revision/,
  });
  assert.equal(await space.get("a").revision(r + 3).string(), "1");
});

promise("a request that is too large is refused", async ({ space }) => {
  await space.put("large").value(Buffer.alloc(1 << 20, "x"));
  assert.equal((await space.get("large").buffer()).length, 1 << 20);
  await assert.rejects(() => space.put("larger").value(Buffer.alloc(1.6 * (1 << 20))).exec(), {
    constructor: GRPCInvalidArgumentError,
    message: /etcdserver: request is too large/,
  });
});

promise("calls at once on one connection each get their answer", async ({ space }) => {
  const names = Array.from({ length: 100 }, (_, i) => `key${i}`);
  const puts = await Promise.all(names.map((name) => space.put(name).value(name).exec()));
  assert.equal(new Set(puts.map((put) => put.header.revision)).size, names.length);
  assert.deepEqual(await Promise.all(names.map((name) => space.get(name).string())), names);
});
