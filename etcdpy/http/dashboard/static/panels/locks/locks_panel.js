// Locks and elections: who holds each, who waits for it, and since when.

import { inOrder, isElection, queuesOf } from "../../core/queues.js";
import { duration, hexId, number, plural } from "../../core/units.js";
import { Leases, remainingOf } from "../../net/leases.js";
import { confirmAndDo } from "../../ui/dialog.js";
import { h, setText } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify } from "../../ui/notices.js";
import { problem } from "../../ui/problem.js";
import { address } from "../../ui/routes.js";

const EVERY = 2000;
/** Leases that are looked through: each costs a request. */
const MOST_LEASES = 500;
const MOST_WAITING = 20;

export default class LocksPanel {
  constructor(app) {
    this.app = app;
    this.leases = new Leases(app.gateway);
    /** When an entry was first seen here, by its key and revision: etcd keeps no times. */
    this.firstSeen = new Map();
    this.count = h("p", { class: "muted", role: "status" });
    this.place = h("div", { class: "panel-part" });
    this.cards = h("div", { class: "cards" });
    this.element = h(
      "div",
      { class: "panel" },
      h("div", { class: "panel-head" }, h("h1", {}, "Locks and elections"), this.count),
      h("div", { class: "panel-body" }, this.place, this.cards),
    );
  }

  show() {
    this.hide();
    this.stop = new AbortController();
    this.#keepReading(this.stop.signal);
  }

  hide() {
    this.stop?.abort();
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
      const leases = [];
      for await (const got of this.leases.getAll(ids.slice(0, MOST_LEASES), { signal }))
        leases.push(...got);
      const queues = await this.#withRecords(queuesOf(leases));
      if (signal.aborted) return;
      this.#draw(queues, ids.length);
      this.place.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      this.place.replaceChildren(problem(error));
    }
  }

  /** Reads the entries of all queues: their order is that of their revisions. */
  async #withRecords(queues) {
    const found = [];
    for (const [name, entries] of queues) {
      const read = [];
      for (let first = 0; first < entries.length; first += 100) {
        const some = entries.slice(first, first + 100);
        const records = await this.app.keys.getMany(some.map(({ key }) => key));
        records.forEach((record, at) => record && read.push({ record, lease: some[at].lease }));
      }
      if (read.length) found.push({ name, entries: inOrder(read) });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #draw(queues, leases) {
    this.#noteSeen(queues);
    const isPart =
      leases > MOST_LEASES
        ? ` among the first ${number(MOST_LEASES)} of ${number(leases)} leases`
        : "";
    setText(this.count, `${plural(queues.length, "queue")}${isPart}`);
    // What one is pressing does not change under the finger.
    if (this.cards.contains(document.activeElement) && this.seen === signature(queues))
      return this.#tick(queues);
    this.seen = signature(queues);
    const none = h(
      "div",
      { class: "empty" },
      icon("locks"),
      h("p", {}, "Nobody holds a lock or stands for election."),
      h("p", {}, "They are known by keys NAME/LEASE that etcd's clients put."),
    );
    this.cards.replaceChildren(
      ...(queues.length ? queues.map((queue) => this.#card(queue)) : [none]),
    );
    this.#tick(queues);
  }

  #noteSeen(queues) {
    const now = Date.now();
    const seen = new Map();
    for (const { record } of queues.flatMap(({ entries }) => entries)) {
      const name = `${record.created} ${record.key}`;
      // What was there at the first look may be older than that.
      seen.set(name, this.firstSeen.get(name) ?? (this.hasLooked ? now : null));
    }
    this.firstSeen = seen;
    this.hasLooked = true;
  }

  #card({ name, entries }) {
    const [holder, ...waiting] = entries;
    const kind = isElection(entries) ? "Election" : "Lock";
    const rest = waiting.length - MOST_WAITING;
    return h(
      "article",
      { class: "card queue" },
      h(
        "header",
        {},
        h("span", { class: "badge" }, icon(kind === "Lock" ? "locks" : "users"), kind),
        h("h2", {}, keyLabel(name, "span", 300)),
      ),
      h("h3", {}, kind === "Lock" ? "Held by" : "Led by"),
      this.#entry(holder, kind),
      h("h3", {}, waiting.length ? `Waiting: ${number(waiting.length)}` : "Nobody waits"),
      waiting.length
        ? h(
            "ol",
            { class: "queue-list" },
            waiting.slice(0, MOST_WAITING).map((entry) => h("li", {}, this.#entry(entry, kind))),
          )
        : null,
      rest > 0 ? h("p", { class: "muted" }, `and ${number(rest)} more`) : null,
    );
  }

  #entry({ record, lease }, kind) {
    const hex = hexId(lease.id);
    const says =
      kind === "Election"
        ? h("div", { class: "queue-says" }, keyLabel(record.value, "code", 160))
        : null;
    const seen = this.firstSeen.get(`${record.created} ${record.key}`);
    const since = `since revision ${number(record.created)}${seen === null ? "" : `, seen at ${new Date(seen).toLocaleTimeString("en-GB")}`}`;
    return h(
      "div",
      { class: "queue-entry" },
      says,
      h(
        "div",
        { class: "queue-facts" },
        h("a", { href: address("keys", { key: record.key }) }, since),
        h(
          "span",
          {},
          "lease ",
          h("a", { href: address("leases", { id: hex }), class: "mono" }, hex),
        ),
        h("span", { class: "number muted", "data-lease": lease.id }),
      ),
      h(
        "button",
        {
          type: "button",
          class: "danger",
          "aria-label": `Revoke lease ${hex}`,
          onclick: () => this.#revoke(lease, kind),
        },
        "Revoke",
      ),
    );
  }

  #tick(queues) {
    const leases = new Map(
      queues.flatMap(({ entries }) => entries.map(({ lease }) => [lease.id, lease])),
    );
    for (const place of this.cards.querySelectorAll("[data-lease]")) {
      const lease = leases.get(place.dataset.lease);
      if (lease) setText(place, `${duration(Math.ceil(remainingOf(lease)))} left`);
    }
  }

  async #revoke(lease, kind) {
    const isDone = await confirmAndDo({
      title: `Revoke lease ${hexId(lease.id)}?`,
      action: "Revoke",
      body: [
        h(
          "p",
          {},
          `This takes its holder out of this ${kind.toLowerCase()}, and deletes ${plural(lease.keys.length, "key")}. Whoever it is does not hear of it: it may still believe that it holds it.`,
        ),
      ],
      task: () => this.leases.revoke(lease.id),
    });
    if (!isDone) return;
    notify(`Lease ${hexId(lease.id)} is revoked.`);
    await this.#read(this.stop.signal);
  }
}

function signature(queues) {
  return queues
    .flatMap(({ name, entries }) => [
      name,
      ...entries.map(({ record }) => `${record.modified} ${record.key}`),
    ])
    .join("\n");
}
