"use strict";

const { once } = require("node:events");
const { Etcd3 } = require("etcd3");
const { ConstantBackoff, noop } = require("cockatiel");

const PATIENCE = 30_000;

// A promise's clients and its own corner of the key space, empty when it begins.
class World {
  constructor(address, name, ask) {
    this.address = address;
    this.prefix = `/${name}/`;
    this.ask = ask;
    this.clients = [];
    this.overdue = new Promise((_, reject) => {
      this.timer = setTimeout(() => reject(new Error(`took over ${PATIENCE} ms`)), PATIENCE);
    });
    this.overdue.catch(() => undefined);
    this.etcd = this.connect();
    this.space = this.etcd.namespace(this.prefix);
  }

  async prepare() {
    await this.before(this.space.delete().all());
  }

  // Another client. It tries again soon, without a circuit breaker in between, when the
  // server is away.
  connect(options = {}) {
    const faultHandling = { host: () => noop, watchBackoff: new ConstantBackoff(50) };
    const client = new Etcd3({ hosts: this.address, faultHandling, ...options });
    this.clients.push(client);
    return client;
  }

  async kill() {
    await this.ask("kill the server");
  }

  async start() {
    await this.ask("start the server");
  }

  // The result of a promise, or a failure if that takes too long.
  before(outcome) {
    return Promise.race([outcome, this.overdue]);
  }

  // The next event of that name.
  event(emitter, name) {
    return this.before(once(emitter, name).then(([value]) => value));
  }

  // Tries until it works: what a program does while the server is away.
  async persist(attempt) {
    for (;;) {
      try {
        return await attempt();
      } catch {
        await this.before(new Promise((resolve) => setTimeout(resolve, 50)));
      }
    }
  }

  close() {
    clearTimeout(this.timer);
    for (const client of this.clients) client.close();
  }
}

module.exports = { World };
