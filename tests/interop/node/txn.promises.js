"use strict";

const assert = require("node:assert/strict");
const { GRPCInvalidArgumentError } = require("etcd3");
const { promise } = require("./promise");

promise("a transaction takes one branch", async ({ space }) => {
  await space.put("a").value("1");
  const attempt = () =>
    space
      .if("a", "Value", "==", "1")
      .then(space.put("a").value("2"), space.get("a"), space.put("new").value("x"))
      .else(space.get("a"), space.delete().key("new"))
      .commit();

  const yes = await attempt();
  assert.equal(yes.succeeded, true);
  assert.equal(yes.responses[1].response_range.kvs[0].value.toString(), "2");
  const no = await attempt();
  assert.equal(no.succeeded, false);
  assert.equal(no.responses[0].response_range.kvs[0].value.toString(), "2");
  assert.equal(no.responses[1].response_delete_range.deleted, "1");
  assert.equal(Number(no.header.revision), Number(yes.header.revision) + 1);
});

promise("a transaction has one revision", async ({ space }) => {
  const reply = await space
    .if("a", "Version", "==", 0)
    .then(space.put("a").value("1"), space.put("b").value("2"))
    .commit();
  const { kvs } = await space.getAll().exec();
  const { revision } = reply.header;
  assert.deepEqual(kvs.map((kv) => kv.mod_revision), [revision, revision]);
});

promise("every kind of comparison holds or does not", async ({ space }) => {
  const lease = space.lease(100, { autoKeepAlive: false });
  await lease.put("a").value("5");
  const { header } = await lease.put("a").value("5");
  const mod = Number(header.revision);
  const id = await lease.grant();
  for (const [column, operator, value, holds] of [
    ["Value", "==", "5", true],
    ["Value", "!==", "5", false],
    ["Value", "<", "50", true],
    ["Value", ">", "50", false],
    ["Version", "===", 2, true],
    ["Version", ">", 2, false],
    ["Create", "==", mod - 1, true],
    ["Create", "<", mod - 1, false],
    ["Mod", "==", mod, true],
    ["Mod", "!=", mod, false],
    ["Lease", "==", id, true],
    ["Lease", ">", id, false],
  ]) {
    const { succeeded } = await space.if("a", column, operator, value).commit();
    assert.equal(succeeded, holds, `${column} ${operator} ${value}`);
  }
  await lease.revoke();
});

promise("all comparisons have to hold", async ({ space }) => {
  await space.put("a").value("1");
  const both = (value) => space.if("a", "Value", "==", "1").and("b", "Version", value, 0).commit();
  assert.equal((await both("==")).succeeded, true);
  assert.equal((await both(">")).succeeded, false);
});

promise("a transaction does not put a key twice", async ({ space }) => {
  const put = space.put("a").value("1");
  await assert.rejects(() => space.if("a", "Version", "==", 0).then(put, put).commit(), {
    constructor: GRPCInvalidArgumentError,
    message: /etcdserver: duplicate key given in txn request/,
  });
  assert.equal(await space.get("a").exists(), false);
});

promise("software transactions lose no update", async ({ space }) => {
  const writers = 8;
  await space.put("n").value("0");
  const increment = () =>
    space.stm({ retries: 100 }).transact(async (tx) => {
      await tx.put("n").value((await tx.get("n").number()) + 1);
    });
  await Promise.all(Array.from({ length: writers }, increment));
  assert.equal(await space.get("n").number(), writers);
});
