// Whether the server is there. It is asked only while nothing else tells: an answer to anybody is
// a sign of life, and a request that fails begins a series of looks, ever slower, until one finds
// it again.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 5000;

export class Presence extends EventTarget {
  isAway = false;
  #wait = FIRST_WAIT;
  #timer = 0;

  /** @param {Gateway} gateway What is listened to. */
  constructor(gateway) {
    super();
    gateway.addEventListener("answered", () => this.#set(false));
    gateway.addEventListener("lost", () => this.#set(true));
    // A machine that was asleep, or a cable that is back: look at once.
    window.addEventListener("online", () => this.isAway && this.#look());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.isAway) this.#look();
    });
  }

  /** Looks at once, as the user wishes. */
  retry() {
    this.#wait = FIRST_WAIT;
    return this.#look();
  }

  #set(isAway) {
    if (this.isAway === isAway) return;
    this.isAway = isAway;
    this.#wait = FIRST_WAIT;
    clearTimeout(this.#timer);
    if (isAway) this.#schedule();
    this.dispatchEvent(new Event(isAway ? "away" : "back"));
  }

  #schedule() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), this.#wait);
    this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2);
  }

  async #look() {
    try {
      await fetch("/version", { cache: "no-store", signal: AbortSignal.timeout(LONGEST_WAIT) });
      this.#set(false);
    } catch {
      if (this.isAway) this.#schedule();
    }
  }
}
