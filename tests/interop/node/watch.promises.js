"use strict";

const assert = require("node:assert/strict");
const { promise, promiseAcrossRestarts } = require("./promise");

// Collects what a watcher is told, as "a=1" and "-a"; `first(n)` resolves to the first n.
function collect(world, watcher) {
  const words = [];
  watcher.on("put", (kv) => words.push(`${kv.key}=${kv.value}`));
  watcher.on("delete", (kv) => words.push(`-${kv.key}`));
  return {
    words,
    async first(count) {
      while (words.length < count) await world.event(watcher, "data");
      return words.slice(0, count);
    },
  };
}

promise("a watcher is told of puts and deletes", async (world) => {
  const { space } = world;
  const one = collect(world, await space.watch().key("a").create());
  const all = collect(world, await space.watch().prefix("").create());
  await space.put("a").value("1");
  await space.put("b").value("2");
  await space.delete().all();
  assert.deepEqual(await one.first(2), ["a=1", "-a"]);
  assert.deepEqual(await all.first(4), ["a=1", "b=2", "-a", "-b"]);
});

promise("a watcher is told of the past", async (world) => {
  const { space } = world;
  const { header } = await space.put("a").value("1");
  for (const value of ["2", "3"]) await space.put("a").value(value);
  const watcher = space.watch().key("a").startRevision(header.revision).watcher();
  const told = collect(world, watcher);
  await space.put("a").value("4");
  assert.deepEqual(await told.first(4), ["a=1", "a=2", "a=3", "a=4"]);
  assert.equal(Number(watcher.lastRevision()), Number(header.revision) + 4);
});

promise("a watcher is told what was there before", async (world) => {
  const { space } = world;
  await space.put("a").value("1");
  const watcher = await space.watch().key("a").withPreviousKV().create();
  const before = [];
  watcher.on("put", (_, previous) => before.push(previous?.value.toString()));
  watcher.on("delete", (_, previous) => before.push(previous?.value.toString()));
  await space.put("a").value("2");
  await space.delete().key("a");
  await space.put("a").value("3");
  while (before.length < 3) await world.event(watcher, "data");
  assert.deepEqual(before, ["1", "2", undefined]);
});

promise("a watcher is spared what it ignores", async (world) => {
  const { space } = world;
  const puts = collect(world, await space.watch().key("a").ignore("delete").create());
  const deletes = collect(world, await space.watch().key("a").ignore("put").create());
  for (const value of ["1", "2"]) {
    await space.put("a").value(value);
    await space.delete().key("a");
  }
  assert.deepEqual(await deletes.first(2), ["a=1", "a=2"]);
  assert.deepEqual(await puts.first(2), ["-a", "-a"]);
});

promise("a transaction's events come together", async (world) => {
  const { space } = world;
  const watcher = await space.watch().prefix("").create();
  const came = world.event(watcher, "data");
  const puts = ["a", "b", "c"].map((name) => space.put(name).value("1"));
  const { header } = await space.if("a", "Version", "==", 0).then(...puts).commit();
  const { events } = await came;
  assert.deepEqual(
    events.map((event) => event.kv.mod_revision),
    [header.revision, header.revision, header.revision],
  );
});

promise("a cancelled watcher hears no more, and the others do", async (world) => {
  const { space } = world;
  const cancelled = await space.watch().key("a").create();
  const nothing = collect(world, cancelled);
  const told = collect(world, await space.watch().key("a").create());
  await cancelled.cancel();
  await space.put("a").value("1");
  assert.deepEqual(await told.first(1), ["a=1"]);
  assert.deepEqual(nothing.words, []);
});

promise("a watcher of compacted history fails", async (world) => {
  const { etcd, space } = world;
  const { header } = await space.put("a").value("1");
  const last = await space.put("a").value("2");
  await etcd.kv.compact({ revision: last.header.revision });
  const watcher = space.watch().key("a").startRevision(header.revision).watcher();
  const error = await world.event(watcher, "error");
  assert.match(error.message, /^Watcher canceled/);
});

promise("many watchers on one stream are each told", async (world) => {
  const { space } = world;
  const names = Array.from({ length: 100 }, (_, i) => `key${i}`);
  const watchers = await Promise.all(names.map((name) => space.watch().key(name).create()));
  const told = watchers.map((watcher) => collect(world, watcher));
  await Promise.all(names.map((name) => space.put(name).value("x").exec()));
  for (const [i, name] of names.entries()) {
    assert.deepEqual(await told[i].first(1), [`${name}=x`]);
  }
});

promiseAcrossRestarts("a watcher misses nothing while the server is away", async (world) => {
  const { space } = world;
  const watcher = await space.watch().prefix("").create();
  const told = collect(world, watcher);
  for (const value of ["1", "2", "3"]) await space.put("a").value(value);
  await told.first(3);

  for (const restart of [0, 1]) {
    const gone = world.event(watcher, "disconnected");
    await world.kill();
    await gone;
    const back = world.event(watcher, "connected");
    await world.start();
    // Another client, which may well be there before the watcher.
    const other = world.connect().namespace(world.prefix);
    for (const value of ["4", "5", "6"]) {
      await world.persist(() => other.put("b").value(`${restart}${value}`).exec());
    }
    await back;
    await world.persist(() => other.put("c").value(restart).exec());
    await told.first(3 + 4 * (restart + 1));
  }
  const first = ["a=1", "a=2", "a=3", "b=04", "b=05", "b=06", "c=0"];
  assert.deepEqual(told.words, [...first, "b=14", "b=15", "b=16", "c=1"]);
});
