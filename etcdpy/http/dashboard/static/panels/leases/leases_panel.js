// Leases: which there are, how long each still lives, and the keys that end with it.

import { visibleText } from "../../core/escape.js";
import { decimalId, duration, hexId, number, plural } from "../../core/units.js";
import { Leases, remainingOf } from "../../net/leases.js";
import { confirmAndDo, field } from "../../ui/dialog.js";
import { h, setText } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify, notifyFailure } from "../../ui/notices.js";
import { problem } from "../../ui/problem.js";
import { address } from "../../ui/routes.js";
import { Table } from "../../ui/table.js";

const EVERY = 2000;
/** Leases that are read and shown; of more, their number. */
const MOST = 200;
/** Keys that are shown of a lease. */
const MOST_KEYS = 3;

export default class LeasesPanel {
  constructor(app) {
    this.app = app;
    this.leases = new Leases(app.gateway);
    this.known = new Map();
    this.table = new Table("Leases", [
      { title: "ID", style: "mono" },
      { title: "Time to live" },
      { title: "Keys", style: "fill" },
      { title: "Actions", hidden: true, style: "actions" },
    ]);
    this.count = h("p", { class: "muted number", role: "status" });
    const grant = h(
      "button",
      { type: "button", class: "primary", onclick: () => this.#grant() },
      icon("plus"),
      "Grant",
    );
    this.place = h("div", { class: "panel-part" });
    this.body = h("div", { class: "panel-body" }, this.place, this.table.element);
    this.element = h(
      "div",
      { class: "panel" },
      h(
        "div",
        { class: "panel-head" },
        h("h1", {}, "Leases"),
        this.count,
        h("span", { class: "spring" }),
        grant,
      ),
      this.body,
    );
  }

  show({ id = "" }) {
    this.wanted = /^[0-9a-f]{1,16}$/.test(id) ? decimalId(id) : null;
    this.hide();
    this.stop = new AbortController();
    this.#keepReading(this.stop.signal);
    this.ticking = setInterval(() => this.#tick(), 250);
  }

  hide() {
    this.stop?.abort();
    clearInterval(this.ticking);
  }

  async #keepReading(signal) {
    while (!signal.aborted) {
      if (!document.hidden) await this.#read(signal);
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  async #read(signal) {
    try {
      const ids = await this.leases.list({ signal });
      const first = ids.includes(this.wanted) ? [this.wanted] : [];
      const some = [...new Set([...first, ...ids])].slice(0, MOST);
      const found = new Map();
      for await (const got of this.leases.getAll(some, { signal })) {
        for (const lease of got) found.set(lease.id, lease);
        if (!this.known.size) this.#show(found, ids.length);
      }
      this.#show(found, ids.length);
      this.place.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      this.place.replaceChildren(problem(error));
      if (error.isDenied) this.#show(new Map(), 0);
    }
  }

  #show(found, all) {
    this.known = found;
    const rest = all > found.size && all > MOST ? `, ${number(MOST)} of them shown` : "";
    setText(this.count, `${plural(all, "lease")}${rest}`);
    this.#tick();
  }

  #tick() {
    const leases = [...this.known.values()];
    this.table.element.hidden = leases.length === 0;
    this.table.show(
      leases,
      (lease) => lease.id,
      (lease) => this.#cells(lease),
      (cells, lease) => this.#update(cells, lease),
    );
    if (this.wanted && this.known.has(this.wanted)) {
      const row = this.table.rows.get(this.wanted);
      row.classList.add("chosen");
      row.scrollIntoView({ block: "nearest" });
      this.wanted = null;
    }
  }

  #cells({ id }) {
    const hex = hexId(id);
    const action = (text, run, style) =>
      h(
        "button",
        { type: "button", class: style, "aria-label": `${text} lease ${hex}`, onclick: run },
        text,
      );
    const left = h("span", { class: "number lease-left" });
    const bar = h("progress", { class: "lease-bar", "aria-label": "Time left" });
    const actions = h(
      "div",
      { class: "row-actions" },
      action("Keep alive", () => this.#keepAlive(id)),
      action("Revoke", () => this.#revoke(id), "danger"),
    );
    return [
      h("code", {}, hex),
      h("div", { class: "lease-time" }, left, bar),
      h("div", { class: "lease-keys" }),
      actions,
    ];
  }

  #update([, time, keys], lease) {
    const left = remainingOf(lease);
    setText(
      time.querySelector("span"),
      `${duration(Math.ceil(left))} of ${duration(lease.granted)}`,
    );
    const bar = time.querySelector("progress");
    bar.max = lease.granted;
    bar.value = Math.min(left, lease.granted);
    bar.classList.toggle("low", left < lease.granted / 4);
    const seen = lease.keys.join("\0");
    const box = keys.firstChild;
    if (box.seen === seen) return;
    box.seen = seen;
    const links = lease.keys
      .slice(0, MOST_KEYS)
      .map((key) => h("a", { href: address("keys", { key }) }, keyLabel(key, "span", 120)));
    const rest = lease.keys.length - links.length;
    box.replaceChildren(
      ...(links.length ? links : [h("span", { class: "muted" }, "none")]),
      rest > 0 ? `and ${number(rest)} more` : "",
    );
  }

  async #keepAlive(id) {
    try {
      const isThere = await this.leases.keepAlive(id);
      notify(isThere ? `Lease ${hexId(id)} lives on.` : `Lease ${hexId(id)} has ended already.`, {
        isBad: !isThere,
      });
      await this.#read(this.stop.signal);
    } catch (error) {
      notifyFailure("The lease was not kept alive", error);
    }
  }

  async #revoke(id) {
    const keys = this.known.get(id)?.keys ?? [];
    const shown = keys.slice(0, 20).map((key) => h("li", {}, keyLabel(key, "code", 200)));
    const isDone = await confirmAndDo({
      title: `Revoke lease ${hexId(id)}?`,
      action: "Revoke",
      body: [
        h("p", {}, keys.length ? `This deletes ${plural(keys.length, "key")}:` : "No key has it."),
        h(
          "ul",
          {
            class: "plain-list",
            "aria-label": keys
              .map((key) => visibleText(key, 40))
              .slice(0, 5)
              .join(", "),
          },
          shown,
        ),
        keys.length > shown.length
          ? h("p", { class: "muted" }, `and ${number(keys.length - shown.length)} more`)
          : null,
      ].filter(Boolean),
      task: () => this.leases.revoke(id),
    });
    if (isDone) {
      notify(`Lease ${hexId(id)} is revoked.`);
      await this.#read(this.stop.signal);
    }
  }

  async #grant() {
    const ttl = h("input", {
      type: "number",
      min: "1",
      max: "9000000000",
      value: "60",
      required: true,
    });
    let id = null;
    const isDone = await confirmAndDo({
      title: "Grant a lease",
      isDangerous: false,
      action: "Grant",
      body: [field("Seconds to live, unless it is kept alive", ttl)],
      task: async () => (id = await this.leases.grant(ttl.value)),
    });
    if (!isDone) return;
    notify(`Lease ${hexId(id)} is granted.`);
    this.wanted = id;
    await this.#read(this.stop.signal);
  }
}
