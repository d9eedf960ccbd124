// A list of any length, of which only the rows in sight are elements.
//
// Browsers give up on elements higher than some ten million pixels, which a million rows exceed.
// So the scrolled height is capped, and scrolling through it is stretched over all rows: `offset`
// is where the list would be scrolled to if there were no cap, and rows are placed around it.

import { oncePerFrame } from "./dom.js";

const MOST_PIXELS = 8_000_000;
/** Rows beyond both edges, so that a quick wheel finds them there. */
const SPARE = 6;

export class VirtualRows {
  /**
   * @param {object} options
   * @param {HTMLElement} options.scroller What scrolls; positioned.
   * @param {number} options.rowHeight In pixels.
   * @param {() => HTMLElement} options.make Makes a row.
   * @param {(row: HTMLElement, index: number) => void} options.show Puts what belongs there in it.
   * @param {(first: number, last: number) => void} [options.seen] Told which rows are in sight.
   */
  constructor({ scroller, rowHeight, make, show, seen = () => {} }) {
    Object.assign(this, { scroller, rowHeight, make, show, seen });
    this.count = 0;
    this.elements = new Map();
    this.spare = [];
    this.sizer = document.createElement("div");
    this.sizer.className = "virtual-sizer";
    this.sizer.setAttribute("role", "presentation");
    scroller.classList.add("virtual");
    scroller.append(this.sizer);
    this.update = oncePerFrame(() => this.draw());
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(this.update).observe(scroller);
  }

  get #height() {
    return this.count * this.rowHeight;
  }

  get #view() {
    return this.scroller.clientHeight;
  }

  /** How much further the whole list goes than the part of it that is scrolled. */
  get #stretch() {
    const scrolled = Math.min(this.#height, MOST_PIXELS) - this.#view;
    return this.#height > MOST_PIXELS ? (this.#height - this.#view) / scrolled : 1;
  }

  get offset() {
    return this.scroller.scrollTop * this.#stretch;
  }

  /** Rows that fit in sight, for paging. */
  get page() {
    return Math.max(1, Math.floor(this.#view / this.rowHeight) - 1);
  }

  setCount(count) {
    this.count = count;
    this.update();
  }

  /** Scrolls so far that a row is in sight. */
  reveal(index, { centre = false } = {}) {
    const top = index * this.rowHeight;
    const { offset } = this;
    let wanted = offset;
    if (centre) wanted = top - (this.#view - this.rowHeight) / 2;
    else if (top < offset) wanted = top;
    else if (top + this.rowHeight > offset + this.#view) wanted = top + this.rowHeight - this.#view;
    this.#resize();
    if (wanted !== offset) this.scroller.scrollTop = Math.max(0, wanted / this.#stretch);
    this.draw();
  }

  draw() {
    this.#resize();
    const { offset, rowHeight, count } = this;
    const first = Math.max(0, Math.floor(offset / rowHeight) - SPARE);
    const last = Math.min(count, Math.ceil((offset + this.#view) / rowHeight) + SPARE);
    for (const [index, element] of this.elements) {
      if (index >= first && index < last) continue;
      this.elements.delete(index);
      this.spare.push(element);
    }
    const shift = this.scroller.scrollTop - offset;
    for (let index = first; index < last; index += 1) {
      const element = this.elements.get(index) ?? this.#take(index);
      element.style.transform = `translateY(${index * rowHeight + shift}px)`;
      element.hidden = false;
      this.show(element, index);
    }
    for (const element of this.spare) {
      element.hidden = true;
      element.removeAttribute("id"); // another may have it now
    }
    this.seen(first, last);
  }

  #take(index) {
    const element = this.spare.pop() ?? this.make();
    if (!element.isConnected) this.sizer.append(element);
    this.elements.set(index, element);
    return element;
  }

  #resize() {
    const height = `${Math.min(this.#height, MOST_PIXELS)}px`;
    if (this.sizer.style.height !== height) this.sizer.style.height = height;
  }
}
