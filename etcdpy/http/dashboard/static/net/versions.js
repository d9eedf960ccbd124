// The versions of a key, from the newest one back to where history begins.
//
// A key has lives: from where it is created to where it is deleted. Within one each version is read
// at the revision before the next one. What there was before a life is not known from it, so
// deletions are asked for with a watch over history that wants nothing else.
//
//     revision   2     3     4         6     7         9
//                put   put   delete    put   delete    put
//     lives      ^-----------^         ^-----^         ^----- now

import { follow } from "./follow.js";

/** Versions that are read at once: each is a request. */
const PAGE = 50;

/** One life of a key. */
class Life {
  /**
   * @param {number|null} end The revision that deleted the key, null if there is it.
   * @param {number} last The last revision of it, 0 for now.
   */
  constructor(end, last) {
    this.end = end;
    this.versions = [];
    this.next = last;
    this.hasMore = true;
    this.isLoading = false;
  }
}

export class Versions {
  /**
   * @param {Keys} keys
   * @param {string} key
   * @param {() => void} changed Told when there is more to show.
   */
  constructor(keys, key, changed) {
    Object.assign(this, { keys, key, changed });
    this.stop = new AbortController();
    /** The newest first. */
    this.lives = [];
    /** Where history begins, if it was compacted. */
    this.begin = null;
    this.error = null;
  }

  close() {
    this.stop.abort();
  }

  /** Reads the newest versions, and then what there was in earlier lives. */
  async start() {
    const now = new Life(null, 0);
    await this.more(now);
    if (now.versions.length) this.lives.unshift(now);
    this.changed();
    this.#findDeletions();
  }

  /** Reads older versions of a life. */
  async more(life) {
    const { signal } = this.stop;
    life.isLoading = true;
    try {
      for (let count = 0; life.hasMore && count < PAGE; count += 1) {
        const record = await this.keys.get(this.key, life.next, { signal });
        if (record) life.versions.push(record);
        if (!record || record.version === 1) life.hasMore = false;
        else life.next = record.modified - 1;
        if (count % 10 === 9) this.changed();
      }
    } catch (error) {
      if (signal.aborted) return;
      life.hasMore = false;
      if (error.isCompacted) this.isCut = true;
      else this.error = error;
    }
    life.isLoading = false;
    this.changed();
  }

  async #findDeletions() {
    const { signal } = this.stop;
    const told = {
      compacted: (revision) => {
        this.begin = revision;
        this.changed();
      },
    };
    const what = { key: this.key, from: 1, filters: ["NOPUT"] };
    try {
      for await (const { events } of follow(this.keys.gateway, what, signal, told)) {
        const lives = events.map(({ record }) => new Life(record.modified, record.modified - 1));
        await Promise.all(lives.slice(-PAGE).map((life) => this.more(life)));
        this.#add(lives);
      }
    } catch (error) {
      if (!signal.aborted) this.error = error;
      this.changed();
    }
  }

  #add(lives) {
    this.lives.push(...lives);
    // The one that lasts is the newest; a deletion that is told now has ended it.
    const newest = Math.max(...lives.map(({ end }) => end));
    this.lives = this.lives.filter(
      ({ end, versions }) => end !== null || versions[0].modified > newest,
    );
    this.lives.sort((a, b) => (b.end ?? Infinity) - (a.end ?? Infinity));
    this.changed();
  }
}
