// The last minutes of the server's figures, for plots. Looks as often as Prometheus would, and not
// while nobody looks at the page.

import { buckets, bucketsSince, parse, quantile, rate, sum } from "../core/metrics.js";

const EVERY = 5000;
/** Five minutes. */
export const KEPT = 60;

const FSYNC = "etcd_disk_wal_fsync_duration_seconds";
const HANDLING = "grpc_server_handling_seconds";
const READS = ["etcd_mvcc_range_total"];
const WRITES = ["etcd_mvcc_put_total", "etcd_mvcc_delete_total"];
const CALLS = ["grpc_server_started_total"];
const SINGLE = [
  "process_start_time_seconds",
  "process_resident_memory_bytes",
  "etcd_debugging_mvcc_current_revision",
  "etcd_debugging_mvcc_compact_revision",
  "etcd_debugging_mvcc_keys_total",
  "etcd_debugging_mvcc_watcher_total",
];

const WANTED = new Set([
  ...READS,
  ...WRITES,
  ...CALLS,
  ...SINGLE,
  `${FSYNC}_bucket`,
  `${HANDLING}_bucket`,
]);

export class Sampler extends EventTarget {
  constructor(app) {
    super();
    this.app = app;
    this.points = [];
    this.latest = null;
    this.last = null;
  }

  start() {
    const again = () => {
      if (!document.hidden && !this.app.presence.isAway) this.look();
    };
    again();
    setInterval(again, EVERY);
    this.app.presence.addEventListener("back", again);
  }

  /** Looks now. */
  async look() {
    let text;
    try {
      const answer = await this.app.gateway.get("/metrics");
      if (answer.status !== 200) return;
      ({ text } = answer);
    } catch {
      this.#add({}); // a gap in the plots
      this.last = null;
      return;
    }
    const samples = parse(text, WANTED);
    const now = {
      at: performance.now(),
      reads: sum(samples, ...READS),
      writes: sum(samples, ...WRITES),
      calls: sum(samples, ...CALLS),
      fsync: buckets(samples, FSYNC),
      handling: buckets(samples, HANDLING),
    };
    this.latest = Object.fromEntries(SINGLE.map((name) => [name, sum(samples, name)]));
    if (this.last) this.#add(this.#between(this.last, now));
    this.last = now;
    this.dispatchEvent(new Event("sample"));
  }

  /** Returns the values of one kind, the oldest first; null where there is none. */
  series(name) {
    return this.points.map((point) => point[name] ?? null);
  }

  #between(before, now) {
    const seconds = (now.at - before.at) / 1000;
    const fsync = bucketsSince(before.fsync, now.fsync);
    const handling = bucketsSince(before.handling, now.handling);
    const trips = this.app.gateway.latencies.splice(0);
    return {
      reads: rate(before.reads, now.reads, seconds),
      writes: rate(before.writes, now.writes, seconds),
      calls: rate(before.calls, now.calls, seconds),
      fsync50: quantile(0.5, fsync),
      fsync99: quantile(0.99, fsync),
      handling50: quantile(0.5, handling),
      handling99: quantile(0.99, handling),
      trip: trips.length
        ? trips.reduce((total, one) => total + one, 0) / trips.length / 1000
        : null,
    };
  }

  #add(point) {
    this.points.push(point);
    if (this.points.length > KEPT) this.points.shift();
  }
}
