// How many a second: counts by the second, of the last minute.

export const SECONDS = 60;

export class Rates {
  constructor() {
    this.counts = new Array(SECONDS).fill(0);
    this.second = null;
  }

  /** Notes some at a time, in milliseconds. */
  add(count, now) {
    this.#advance(now);
    this.counts[SECONDS - 1] += count;
  }

  /** Returns counts by the second, the newest last: what is not over yet. */
  list(now) {
    this.#advance(now);
    return [...this.counts];
  }

  /** Returns how many a second there were in the last ones that are over. */
  mean(now, seconds = 5) {
    const over = this.list(now).slice(-1 - seconds, -1);
    return over.reduce((sum, count) => sum + count, 0) / seconds;
  }

  #advance(now) {
    const second = Math.floor(now / 1000);
    const passed = Math.min(SECONDS, Math.max(0, second - (this.second ?? second)));
    this.counts.splice(0, passed);
    while (this.counts.length < SECONDS) this.counts.push(0);
    this.second = Math.max(second, this.second ?? second);
  }
}
