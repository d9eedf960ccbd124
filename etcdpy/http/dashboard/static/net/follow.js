// Watching: events as they come, for as long as one wants, whatever becomes of the connection.

import { toBase64 } from "../core/bytes.js";
import { AwayError, RefusedError } from "./gateway.js";
import { toRecord } from "./keys.js";

const PAUSE = 1000;
const UNAVAILABLE = 14;

/**
 * An event.
 *
 * @typedef {object} Event
 * @property {boolean} isDelete
 * @property {Record} record What is there now; of a deleted key its name and revision.
 * @property {Record|null} before What was there, if that was asked for and is known.
 */

/**
 * Yields events from a revision on, in batches of one answer each. Goes on where it was when the
 * server was away; ends with the signal.
 *
 * @param {Gateway} gateway
 * @param {object} what
 * @param {string} what.key Binary, not empty.
 * @param {string} [what.end] For a range.
 * @param {number} [what.from] The first revision; 0 is the next one.
 * @param {boolean} [what.withBefore]
 * @param {string[]} [what.filters] "NOPUT" or "NODELETE".
 * @param {AbortSignal} signal
 * @param {{created?: (next: number) => void, lost?: (error: Error) => void, compacted?: (revision: number) => void}} told
 * @yields {{revision: number, events: Event[]}}
 * @throws {RefusedError} The server refuses.
 */
export async function* follow(gateway, what, signal, told = {}) {
  let next = what.from ?? 0;
  while (!signal.aborted) {
    try {
      for await (const answer of gateway.stream("watch", [request(what, next)], { signal })) {
        const revision = Number(answer.header.revision);
        if (answer.canceled && answer.compact_revision) {
          next = Number(answer.compact_revision);
          told.compacted?.(next);
          break;
        }
        if (answer.canceled) throw refusal(answer.cancel_reason);
        if (answer.created) {
          if (!next) next = revision + 1;
          told.created?.(next);
        }
        const events = (answer.events ?? []).map(toEvent);
        if (events.length) {
          next = events.at(-1).record.modified + 1;
          yield { revision, events };
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof AwayError) && error.code !== UNAVAILABLE) throw error;
      told.lost?.(error);
      await pause(signal);
    }
  }
}

function request({ key, end, withBefore, filters }, next) {
  const create_request = { key: toBase64(key), prev_kv: Boolean(withBefore) };
  if (end) create_request.range_end = toBase64(end);
  if (next) create_request.start_revision = next;
  if (filters) create_request.filters = filters;
  return { create_request };
}

function toEvent({ type, kv, prev_kv }) {
  return {
    isDelete: type === "DELETE",
    record: toRecord(kv),
    before: prev_kv ? toRecord(prev_kv) : null,
  };
}

function refusal(reason) {
  const isDenied = reason.includes("permission denied");
  return new RefusedError(isDenied ? 7 : 2, reason || "the watch was cancelled", 200);
}

/** Waits a while, or less if nobody wants it any more. */
function pause(signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
