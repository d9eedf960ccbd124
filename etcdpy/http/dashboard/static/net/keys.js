// What is asked of keys, in the page's terms: binary strings in, records out.

import { fromBase64, nextKey, prefixEnd, toBase64 } from "../core/bytes.js";

/**
 * A key as it was read.
 *
 * @typedef {object} Record
 * @property {string} key Binary, as the value is.
 * @property {string} value
 * @property {number} created Revision.
 * @property {number} modified Revision.
 * @property {number} version
 * @property {string} lease Its ID in decimal digits, "0" for none.
 */

/** Makes a record of a KeyValue. Revisions are numbers: they stay below 2^53 for ages. */
export function toRecord(kv) {
  return {
    key: fromBase64(kv.key),
    value: fromBase64(kv.value),
    created: Number(kv.create_revision ?? 0),
    modified: Number(kv.mod_revision ?? 0),
    version: Number(kv.version ?? 0),
    lease: kv.lease ?? "0",
  };
}

/** Keys of which nothing is known yet may have 1.5 MiB each. */
const FIRST_PAGE = 16;
const MOST_IN_PAGE = 2000;
const PAGE_BYTES = 2 * 1024 * 1024;

export class Keys {
  /** @param {Gateway} gateway */
  constructor(gateway) {
    this.gateway = gateway;
    this.range = this.range.bind(this);
    this.count = this.count.bind(this);
    /** The newest revision that an answer has told. */
    this.revision = 0;
  }

  /** Reads the names of keys, and counts all there are up to the end. */
  async range(key, end, limit) {
    const answer = await this.#ask("kv/range", { ...span(key, end), limit, keys_only: true });
    const keys = (answer.kvs ?? []).map((kv) => fromBase64(kv.key));
    return { keys, count: Number(answer.count ?? 0) };
  }

  async count(key, end) {
    const answer = await this.#ask("kv/range", { ...span(key, end), count_only: true });
    return Number(answer.count ?? 0);
  }

  /**
   * Reads a key.
   *
   * @param {number} revision Then, or 0 for now.
   * @returns {Promise<Record|null>}
   */
  async get(key, revision = 0, options = {}) {
    const request = { key: toBase64(key), ...(revision && { revision }) };
    const answer = await this.#ask("kv/range", request, options);
    return answer.kvs ? toRecord(answer.kvs[0]) : null;
  }

  /** Reads several keys at one revision, null for those that there are not. */
  async getMany(keys) {
    const success = keys.map((key) => ({ request_range: { key: toBase64(key) } }));
    const answer = await this.#ask("kv/txn", { success });
    return answer.responses.map(({ response_range: { kvs } }) => (kvs ? toRecord(kvs[0]) : null));
  }

  /** Writes several keys, all or none, if all are as they were seen; tells whether it did. */
  async putMany(entries) {
    const answer = await this.#ask("kv/txn", {
      compare: entries.map(({ key, seen }) => guard(key, seen)),
      success: entries.map(({ key, value, seen }) => ({
        request_put: {
          key: toBase64(key),
          value: toBase64(value),
          ...(seen && { ignore_lease: true }),
        },
      })),
    });
    return answer.succeeded === true;
  }

  /** Yields all keys of a range with their values, in pages of some megabytes at one revision. */
  async *readAll(from, end) {
    let revision = 0;
    let cursor = from || "\0";
    let limit = FIRST_PAGE;
    for (;;) {
      const request = { ...span(cursor, end), limit, ...(revision && { revision }) };
      const answer = await this.#ask("kv/range", request);
      revision ||= Number(answer.header.revision);
      const records = (answer.kvs ?? []).map(toRecord);
      if (records.length) yield records;
      if (!answer.more) return;
      cursor = nextKey(records.at(-1).key);
      // Keys are of one kind mostly: the next page is as large as this one would have had to be.
      const size = records.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      limit = Math.round((limit * PAGE_BYTES) / (size + 1));
      limit = Math.max(1, Math.min(MOST_IN_PAGE, limit));
    }
  }

  /**
   * Writes a key if it is as it was seen.
   *
   * @param {string} key
   * @param {string} value
   * @param {number} seen The mod_revision that was seen, 0 if there was no key.
   * @param {string|null} lease An ID, "0" to have none, null to leave it as it is.
   * @returns {Promise<{done: boolean, revision: number, found: Record|null}>} If it was not done:
   *   what is there instead.
   */
  put(key, value, seen, lease = null) {
    const keeps = lease === null && seen !== 0;
    const request_put = {
      key: toBase64(key),
      value: toBase64(value),
      ...(keeps ? { ignore_lease: true } : lease && lease !== "0" && { lease }),
    };
    return this.#guarded(key, seen, { request_put });
  }

  /** Changes nothing but the lease of a key, if it is as it was seen. */
  attach(key, seen, lease) {
    const request_put = { key: toBase64(key), ignore_value: true, lease };
    return this.#guarded(key, seen, { request_put });
  }

  /** Deletes a key if it is as it was seen. */
  delete(key, seen) {
    return this.#guarded(key, seen, { request_delete_range: { key: toBase64(key) } });
  }

  /** Deletes all keys with a prefix, and returns how many there were. */
  async deletePrefix(prefix) {
    const answer = await this.#ask("kv/deleterange", span(prefix || "\0", prefixEnd(prefix)));
    return Number(answer.deleted ?? 0);
  }

  async #guarded(key, seen, change) {
    const look = { request_range: { key: toBase64(key) } };
    const answer = await this.#ask("kv/txn", {
      compare: [guard(key, seen)],
      success: [change],
      failure: [look],
    });
    const kvs = answer.responses?.[0]?.response_range?.kvs;
    return {
      done: answer.succeeded === true,
      revision: Number(answer.header.revision),
      found: kvs ? toRecord(kvs[0]) : null,
    };
  }

  async #ask(path, request, options) {
    const answer = await this.gateway.call(path, request, options);
    this.revision = Math.max(this.revision, Number(answer.header?.revision ?? 0));
    return answer;
  }
}

/** Is true while a key is as it was seen: a key that there is not has revision 0. */
function guard(key, seen) {
  return { key: toBase64(key), target: "MOD", result: "EQUAL", mod_revision: seen };
}

function span(key, end) {
  return { key: toBase64(key || "\0"), range_end: toBase64(end) };
}
