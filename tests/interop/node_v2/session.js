// Drives a server with node-etcd: node session.js http://host:port
//
// Each step is printed when it is done, and the first that goes wrong ends it.
"use strict";

const assert = require("assert");
const Etcd = require("node-etcd");

const etcd = new Etcd(process.argv[2]);

// Returns what the callback of a call gets, as a promise of [body, headers].
const ask = (method, ...parameters) =>
  new Promise((resolve, reject) =>
    etcd[method](...parameters, (error, body, headers) =>
      error ? reject(error) : resolve([body, headers]),
    ),
  );

const refused = async (code, method, ...parameters) => {
  const error = await ask(method, ...parameters).then(assert.fail, (reason) => reason);
  assert.strictEqual(error.errorCode, code);
};

const steps = {
  async keys() {
    const [made, headers] = await ask("set", "/node/a", "1", { ttl: 100 });
    assert.strictEqual(made.action, "set");
    assert.strictEqual(made.node.ttl, 100);
    assert.strictEqual(headers["x-etcd-index"], String(made.node.modifiedIndex));
    const [got] = await ask("get", "/node/a");
    assert.strictEqual(got.node.value, "1");
    await refused(105, "set", "/node/a", "2", { prevExist: false });
    await ask("del", "/node/a");
    await refused(100, "get", "/node/a");
  },

  async comparing() {
    await ask("set", "/node/cas", "1");
    await refused(101, "compareAndSwap", "/node/cas", "2", "wrong");
    await ask("compareAndSwap", "/node/cas", "2", "1");
    await refused(101, "compareAndDelete", "/node/cas", "1");
    const [gone] = await ask("compareAndDelete", "/node/cas", "2");
    assert.strictEqual(gone.action, "compareAndDelete");
  },

  async directories() {
    await ask("mkdir", "/node/dir");
    await refused(102, "mkdir", "/node/dir");
    for (const value of ["x", "y"]) await ask("create", "/node/dir", value);
    const [listed] = await ask("get", "/node/dir", { recursive: true, sorted: true });
    assert.deepStrictEqual(listed.node.nodes.map((node) => node.value), ["x", "y"]);
    await refused(108, "rmdir", "/node/dir");
    await ask("rmdir", "/node/dir", { recursive: true });
  },

  async watching() {
    const [first] = await ask("set", "/node/w", "0");
    const watcher = etcd.watcher("/node", first.node.modifiedIndex, { recursive: true });
    const heard = [];
    const done = new Promise((resolve) =>
      watcher.on("change", (event) => {
        heard.push(event.node.value);
        if (heard.length === 4) resolve();
      }),
    );
    for (const value of ["1", "2", "3"]) await ask("set", "/node/w", value);
    await done;
    watcher.stop();
    assert.deepStrictEqual(heard, ["0", "1", "2", "3"]);
  },

  async server() {
    // It looks where etcd 0.4 had them, which no later one has.
    await refused(100, "machines");
    const [stats] = await ask("selfStats");
    assert.strictEqual(stats.state, "StateLeader");
    const [followers] = await ask("leaderStats");
    assert.deepStrictEqual(followers.followers, {});
    const [version] = await ask("version");
    assert.ok(version.etcdserver);
  },
};

(async () => {
  for (const [name, step] of Object.entries(steps)) {
    await step();
    console.log(name);
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
