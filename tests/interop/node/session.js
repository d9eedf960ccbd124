"use strict";
// Drives a server with etcd3: `node session.js http://host:port [promise]`.
//
// Keeps every promise of the files beside it, or the one that is named, and writes a line of
// JSON for each: its name, and how it failed or null. A promise that needs the server to be
// killed or started writes "kill the server" or "start the server" and reads a line when that
// is done.

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { World } = require("./world");
const { promises } = require("./promise");

for (const file of fs.readdirSync(__dirname).sort()) {
  if (file.endsWith(".promises.js")) require(path.join(__dirname, file));
}

const [address, chosen] = process.argv.slice(2);
const replies = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  console.log(what);
  await replies.next();
}

async function kept(name, keep) {
  const world = new World(address, name, ask);
  try {
    await world.prepare();
    await world.before(keep(world));
    return null;
  } catch (error) {
    return error.stack;
  } finally {
    world.close();
  }
}

async function main() {
  for (const { name, restarts, keep } of promises) {
    if (chosen === undefined ? !restarts : name === chosen) {
      console.log(JSON.stringify({ promise: name, failure: await kept(name, keep) }));
    }
  }
}

main().then(() => process.exit(0));
