// Leases: which there are, how long they live, and what hangs on them.

import { fromBase64 } from "../core/bytes.js";

/** Requests at a time: over HTTP/1.1 a browser has six connections, and others want some. */
const AT_ONCE = 4;

/**
 * A lease, as it was at a time.
 *
 * @typedef {object} Lease
 * @property {string} id In decimal digits.
 * @property {number} granted Seconds.
 * @property {number} remaining Seconds, then.
 * @property {number} at When that was, by performance.now().
 * @property {string[]} keys Binary.
 */

export class Leases {
  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.gateway = gateway;
  }

  /** Returns the IDs of all leases. */
  async list(options) {
    const { leases = [] } = await this.gateway.call("lease/leases", {}, options);
    return leases.map(({ ID }) => ID);
  }

  /** Returns a lease with its keys, or null if it is gone. */
  async get(id, options) {
    const answer = await this.gateway.call("lease/timetolive", { ID: id, keys: true }, options);
    const remaining = Number(answer.TTL ?? 0);
    // A lease that is not there lives for -1 seconds.
    if (remaining < 0 || !answer.grantedTTL) return null;
    const keys = (answer.keys ?? []).map(fromBase64);
    return { id, granted: Number(answer.grantedTTL), remaining, at: performance.now(), keys };
  }

  /** Yields leases as they are read, a few at a time; what is gone meanwhile is left out. */
  async *getAll(ids, options) {
    for (let first = 0; first < ids.length; first += AT_ONCE) {
      const some = ids.slice(first, first + AT_ONCE);
      const got = await Promise.all(some.map((id) => this.get(id, options)));
      yield got.filter((lease) => lease !== null);
    }
  }

  /** Grants a lease, and returns its ID. */
  async grant(ttl) {
    return (await this.gateway.call("lease/grant", { TTL: ttl })).ID;
  }

  revoke(id) {
    return this.gateway.call("lease/revoke", { ID: id });
  }

  /** Lets a lease live as long as when it was granted; returns whether it was still there. */
  async keepAlive(id) {
    for await (const answer of this.gateway.stream("lease/keepalive", [{ ID: id }])) {
      return Number(answer.TTL ?? 0) > 0;
    }
    return false;
  }
}

/** How many seconds a lease lives, as of now. */
export function remainingOf(lease, now = performance.now()) {
  return Math.max(0, lease.remaining - (now - lease.at) / 1000);
}
