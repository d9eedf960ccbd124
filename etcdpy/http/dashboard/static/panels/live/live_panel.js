// Live: what happens to keys with a prefix, as it happens.

import { NO_END, fromText, prefixEnd, toText } from "../../core/bytes.js";
import { fromEditable, toEditable, visibleText } from "../../core/escape.js";
import { Rates, SECONDS } from "../../core/rates.js";
import { Ring } from "../../core/ring.js";
import { bytes, number, plural, short } from "../../core/units.js";
import { follow } from "../../net/follow.js";
import { h, oncePerFrame, setText, whenQuiet } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { showBytes } from "../../ui/key_label.js";
import { Plot } from "../../ui/plot.js";
import { problem } from "../../ui/problem.js";
import { address, settle } from "../../ui/routes.js";
import { VirtualRows } from "../../ui/virtual_rows.js";

/** Events that are kept. */
const MOST = 10_000;
/** Who comes back within so many milliseconds misses nothing: the server was away, or one was. */
const COMES_BACK = 60_000;
/** Of each value that much is shown. */
const MOST_OF_VALUE = 200;

const time = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

export default class LivePanel {
  constructor(app) {
    this.app = app;
    this.ring = new Ring(MOST);
    this.rates = { put: new Rates(), delete: new Rates() };
    this.isPaused = false;
    this.frozen = null;
    this.#makeControls();
    this.list = h("div", {
      class: "live-list",
      role: "log",
      "aria-label": "Events, the newest first",
      "aria-live": "off",
      tabindex: "0",
    });
    this.rows = new VirtualRows({
      scroller: this.list,
      rowHeight: 30,
      make: makeRow,
      show: (row, index) => this.#showRow(row, index),
    });
    this.empty = h("p", { class: "tree-empty" }, "Nothing has happened yet.");
    this.element = h(
      "div",
      { class: "panel" },
      this.head,
      this.tools,
      this.problemPlace,
      this.empty,
      this.list,
    );
    this.draw = oncePerFrame(() => this.#draw());
  }

  show({ prefix = "" }) {
    this.prefix.value = toEditable(prefix);
    const isBack = prefix === this.watched && Date.now() - this.leftAt < COMES_BACK;
    this.#watch(prefix, isBack ? this.next : 0);
    this.timer = setInterval(() => this.draw(), 1000);
  }

  hide() {
    this.stop?.abort();
    this.leftAt = Date.now();
    clearInterval(this.timer);
  }

  #makeControls() {
    this.prefix = h("input", {
      class: "mono",
      type: "search",
      placeholder: "Prefix; empty for all keys",
      "aria-label": "Prefix",
      autocapitalize: "none",
      autocomplete: "off",
      spellcheck: "false",
      oninput: whenQuiet(() => this.#restart(), 400),
    });
    this.pause = h("button", {
      type: "button",
      "aria-pressed": "false",
      onclick: () => this.#togglePause(),
    });
    this.state = h("span", { class: "badge", role: "status" });
    this.head = h(
      "div",
      { class: "panel-head" },
      h("h1", {}, "Live"),
      h("div", { class: "search" }, icon("search"), this.prefix),
      this.state,
    );
    this.filter = h("input", {
      type: "search",
      placeholder: "Filter: part of a key or value",
      "aria-label": "Filter",
      autocomplete: "off",
      spellcheck: "false",
      oninput: whenQuiet(() => this.draw()),
    });
    this.kind = h(
      "select",
      { "aria-label": "Kind of event", onchange: () => this.draw() },
      h("option", { value: "" }, "Puts and deletes"),
      h("option", { value: "put" }, "Puts"),
      h("option", { value: "delete" }, "Deletes"),
    );
    const clear = h("button", { type: "button", onclick: () => this.#clear() }, "Clear");
    this.plot = new Plot({ title: "Events/s", format: short, names: ["put", "delete"] });
    this.counted = h("p", { class: "muted number" });
    this.problemPlace = h("div", {});
    this.tools = h(
      "div",
      { class: "live-tools" },
      h("div", { class: "live-filters" }, this.filter, this.kind, this.pause, clear, this.counted),
      this.plot.element,
    );
    this.#showPause();
  }

  get #typed() {
    return fromEditable(this.prefix.value, fromText);
  }

  #restart() {
    settle("live", { prefix: this.#typed });
    this.#watch(this.#typed);
  }

  async #watch(prefix, from = 0) {
    this.stop?.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    if (prefix !== this.watched) this.#clear();
    this.watched = prefix;
    this.problemPlace.replaceChildren();
    this.#state("Connecting…", "");
    const what = {
      key: prefix || "\0",
      end: prefix ? prefixEnd(prefix) : NO_END,
      from,
      withBefore: true,
    };
    const told = {
      created: (next) => {
        this.next = next;
        this.#state("Watching", "good");
      },
      lost: () => this.#state("Waiting for the server", "bad"),
    };
    try {
      for await (const { events } of follow(this.app.gateway, what, signal, told))
        this.#take(events);
    } catch (error) {
      if (signal.aborted) return;
      this.#state("Not watching", "bad");
      this.problemPlace.replaceChildren(
        h(
          "div",
          { class: "tree-empty" },
          problem(error, () => this.#watch(prefix)),
        ),
      );
    }
  }

  #state(text, style) {
    setText(this.state, text);
    this.state.className = `badge ${style}`;
  }

  #take(events) {
    const now = Date.now();
    for (const event of events) {
      const kind = event.isDelete ? "delete" : "put";
      this.rates[kind].add(1, now);
      this.ring.push({ ...event, kind, at: now, text: null });
    }
    this.next = events.at(-1).record.modified + 1;
    this.draw();
  }

  #clear() {
    this.ring.clear();
    if (this.isPaused) this.#togglePause();
    this.draw();
  }

  #togglePause() {
    this.isPaused = !this.isPaused;
    // What comes meanwhile is kept, and shown when one goes on.
    this.frozen = this.isPaused ? [...this.ring.items] : null;
    this.frozenAt = this.ring.total;
    this.#showPause();
    this.draw();
  }

  #showPause() {
    this.pause.replaceChildren(
      icon(this.isPaused ? "play" : "pause"),
      this.isPaused ? "Go on" : "Pause",
    );
    this.pause.setAttribute("aria-pressed", String(this.isPaused));
  }

  /** Events that are shown, the oldest first. */
  #matching() {
    const all = this.frozen ?? this.ring.items;
    const [text, kind] = [this.filter.value.toLowerCase(), this.kind.value];
    if (!text && !kind) return all;
    return all.filter(
      (event) => (!kind || event.kind === kind) && (!text || searchable(event).includes(text)),
    );
  }

  #draw() {
    const now = Date.now();
    this.plot.draw(
      [this.rates.put.list(now).slice(0, -1), this.rates.delete.list(now).slice(0, -1)],
      SECONDS - 1,
    );
    this.shown = this.#matching();
    const waiting = this.isPaused ? `, ${number(this.ring.total - this.frozenAt)} waiting` : "";
    setText(this.counted, `${plural(this.ring.total, "event")}${waiting}`);
    this.empty.hidden = this.shown.length > 0;
    this.list.hidden = !this.empty.hidden;
    setText(
      this.empty,
      this.ring.total ? "No event matches the filter." : "Nothing has happened yet.",
    );
    this.rows.count = this.shown.length;
    this.rows.draw();
  }

  #showRow(row, index) {
    const event = this.shown[this.shown.length - 1 - index];
    if (!event || row.event === event) return;
    row.event = event;
    const { record, before, isDelete, at } = event;
    row.className = `live-row ${event.kind}`;
    setText(row.parts.time, time.format(at));
    setText(row.parts.revision, number(record.modified));
    setText(row.parts.kind, isDelete ? "delete" : before || record.version > 1 ? "put" : "create");
    row.parts.key.href = address("keys", { key: record.key });
    showBytes(row.parts.key, record.key, 256);
    showBytes(row.parts.value, isDelete ? (before?.value ?? "") : record.value, MOST_OF_VALUE);
    setText(row.parts.size, isDelete ? "" : bytes(record.value.length));
    row.title = visibleText(record.key, 1024);
  }
}

function makeRow() {
  const row = h("div", { class: "live-row" });
  row.parts = {
    time: h("span", { class: "live-time number" }),
    revision: h("span", { class: "live-revision number" }),
    kind: h("span", { class: "live-kind" }),
    key: h("a", { class: "bytes live-key" }),
    value: h("code", { class: "bytes live-value" }),
    size: h("span", { class: "live-size number" }),
  };
  row.append(...Object.values(row.parts));
  return row;
}

/** An event as text to search in, made when it is first needed. */
function searchable(event) {
  event.text ??=
    `${toText(event.record.key) ?? toEditable(event.record.key)}\n${toText(event.record.value.slice(0, 4096)) ?? ""}`.toLowerCase();
  return event.text;
}
