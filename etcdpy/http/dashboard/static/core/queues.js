// Locks and elections, found by what etcd's clients leave in the store.
//
// Who wants a lock NAME puts a key NAME/LEASE, the lease's ID in hexadecimal digits, with that lease.
// Whoever's key was created first has it; the others wait in that order. An election is the same,
// with a value: what the candidate has to say. (etcd: client/v3/concurrency, mutex.go, election.go)

import { hexId } from "./units.js";

/** Tells whether a key is an entry of a queue, by its lease. */
export function nameOfQueue(key, lease) {
  const digits = BigInt.asUintN(64, BigInt(lease)).toString(16);
  // Clients write the ID without zeros in front of it, and some with them.
  const ending = [`/${digits}`, `/${hexId(lease)}`].find((one) => key.endsWith(one));
  return ending && key.length > ending.length ? key.slice(0, -ending.length) : null;
}

/**
 * Returns the queues that leases are in.
 *
 * @param {{id: string, keys: string[]}[]} leases
 * @returns {Map<string, {key: string, lease: object}[]>} Entries by name.
 */
export function queuesOf(leases) {
  const queues = new Map();
  for (const lease of leases) {
    for (const key of lease.keys) {
      const name = nameOfQueue(key, lease.id);
      if (name === null) continue;
      if (!queues.has(name)) queues.set(name, []);
      queues.get(name).push({ key, lease });
    }
  }
  return queues;
}

/**
 * Puts entries in order, the holder first.
 *
 * @param {{record: Record, lease: object}[]} entries
 */
export function inOrder(entries) {
  return entries.toSorted(
    (a, b) => a.record.created - b.record.created || (a.record.key < b.record.key ? -1 : 1),
  );
}

/** An election's entries say something; those of a lock are empty. */
export function isElection(entries) {
  return entries.some(({ record }) => record.value !== "");
}
