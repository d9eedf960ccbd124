// Node: what runs, what it has stored, and what can be done about that.

import { bytes, duration, hexId, number } from "../../core/units.js";
import { h } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { problem } from "../../ui/problem.js";
import { Table } from "../../ui/table.js";
import { compact, defragment, disarm, downloadSnapshot } from "./maintenance.js";
import { Plots } from "./plots.js";

const EVERY = 5000;

export default class NodePanel {
  constructor(app) {
    this.app = app;
    this.place = h("div", { class: "panel-part" });
    this.cards = {
      server: card("Server"),
      storage: card("Storage"),
      history: card("Revisions"),
      alarms: card("Alarms"),
    };
    this.plots = new Plots(app.sampler);
    this.members = new Table("Members", [
      { title: "Name" },
      { title: "ID", style: "mono" },
      { title: "Client URLs" },
      { title: "Peer URLs", style: "fill" },
    ]);
    const memberCard = h(
      "section",
      { class: "card wide-card" },
      h("header", {}, h("h2", {}, "Members")),
      this.members.element,
    );
    // Shown once there is something in it: what grows moves all that is below.
    this.grid = h(
      "div",
      { class: "cards node-cards", hidden: true },
      Object.values(this.cards).map(({ element }) => element),
      this.plots.element,
      memberCard,
    );
    this.element = h(
      "div",
      { class: "panel" },
      h("div", { class: "panel-head" }, h("h1", {}, "Node")),
      h("div", { class: "panel-body" }, this.place, this.grid),
    );
    app.sampler.addEventListener(
      "sample",
      () => this.stop && !this.stop.signal.aborted && this.#draw(),
    );
  }

  show() {
    this.hide();
    this.stop = new AbortController();
    this.#read();
    this.timer = setInterval(() => !document.hidden && this.#read(), EVERY);
  }

  hide() {
    this.stop?.abort();
    clearInterval(this.timer);
  }

  async #read() {
    const { gateway } = this.app;
    const { signal } = this.stop;
    const ask = (path, message = {}) => gateway.call(path, message, { signal });
    try {
      const [status, alarms, members, versions] = await Promise.all([
        ask("maintenance/status"),
        ask("maintenance/alarm", { action: "GET" }),
        ask("cluster/member/list"),
        gateway.get("/version", { signal }),
      ]);
      this.told = {
        status,
        alarms: alarms.alarms ?? [],
        members: members.members ?? [],
        versions: JSON.parse(versions.text),
      };
      this.place.replaceChildren();
      this.#draw();
    } catch (error) {
      if (!signal.aborted) this.place.replaceChildren(problem(error, () => this.#read()));
    }
  }

  #draw() {
    if (!this.told) return;
    this.grid.hidden = false;
    const { members } = this.told;
    this.cards.server.show(this.#server());
    this.cards.storage.show(this.#storage());
    this.cards.history.show(this.#history());
    this.cards.alarms.show(this.#alarms());
    this.members.show(
      members,
      ({ ID }) => ID,
      (member) => [
        member.name || h("span", { class: "muted" }, "not started"),
        h("code", {}, hexId(member.ID)),
        (member.clientURLs ?? []).join(", "),
        (member.peerURLs ?? []).join(", "),
      ],
    );
  }

  #server() {
    const { status, versions, members } = this.told;
    const { latest } = this.app.sampler;
    const me = status.header.member_id;
    const begun = latest?.process_start_time_seconds;
    return [
      facts([
        ["Name", members.find(({ ID }) => ID === me)?.name ?? ""],
        ["API of etcd", versions.etcdserver],
        ["Running for", begun ? duration(Math.floor(Date.now() / 1000 - begun)) : "–"],
        [
          "Memory",
          latest?.process_resident_memory_bytes ? bytes(latest.process_resident_memory_bytes) : "–",
        ],
        [
          "Watchers",
          latest?.etcd_debugging_mvcc_watcher_total !== null && latest
            ? number(latest.etcd_debugging_mvcc_watcher_total)
            : "–",
        ],
        ["Member ID", h("code", {}, hexId(me))],
        ["Cluster ID", h("code", {}, hexId(status.header.cluster_id))],
      ]),
    ];
  }

  #storage() {
    const { status } = this.told;
    const [size, used, quota] = [status.dbSize, status.dbSizeInUse, status.dbSizeQuota].map(
      (value) => Number(value ?? 0),
    );
    const share = quota ? size / quota : 0;
    const bar = h("progress", {
      max: "1",
      value: String(share),
      class: share > 0.8 ? "low" : "",
      "aria-label": "Database against its quota",
    });
    return [
      h(
        "p",
        { class: "big number" },
        bytes(size),
        quota ? h("span", { class: "muted" }, ` of ${bytes(quota)} (${percent(share)})`) : null,
      ),
      bar,
      facts([
        ["In use", bytes(used)],
        ["Can be given back", bytes(Math.max(0, size - used))],
      ]),
      h(
        "div",
        { class: "key-actions" },
        button("storage-defragment", "refresh", "Defragment …", () =>
          this.#do(defragment, this.told.status),
        ),
        button("storage-snapshot", "download", "Snapshot …", () => downloadSnapshot(this.app)),
      ),
    ];
  }

  #history() {
    const { status } = this.told;
    const { latest } = this.app.sampler;
    const revision = Number(status.header.revision);
    const compacted = latest?.etcd_debugging_mvcc_compact_revision ?? null;
    return [
      h("p", { class: "big number" }, number(revision)),
      facts([
        [
          "Keys",
          latest?.etcd_debugging_mvcc_keys_total !== null && latest
            ? number(latest.etcd_debugging_mvcc_keys_total)
            : "–",
        ],
        [
          "History begins at",
          compacted === null
            ? "–"
            : compacted < 1
              ? "the beginning"
              : `revision ${number(compacted)}`,
        ],
        ["Raft index", number(Number(status.raftIndex ?? 0))],
      ]),
      h(
        "div",
        { class: "key-actions" },
        button("history-compact", "history", "Compact …", () => this.#do(compact, revision)),
      ),
    ];
  }

  #alarms() {
    const { alarms } = this.told;
    if (!alarms.length) return [h("p", { class: "quiet-good" }, icon("check"), "No alarm is on.")];
    return alarms.map(({ memberID, alarm }) =>
      h(
        "div",
        { class: "notice bad alarm" },
        icon("warning"),
        h("p", {}, h("strong", {}, alarm), ` of member ${hexId(memberID ?? "0")}`),
        button(`alarm-${alarm}`, "check", "Disarm …", () => this.#do(disarm, { memberID, alarm })),
      ),
    );
  }

  async #do(task, about) {
    if (!(await task(this.app, about))) return;
    await this.app.sampler.look();
    await this.#read();
  }
}

function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1 %";
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Makes a card whose content changes while the button that has the focus keeps it. */
function card(title) {
  const body = h("div", { class: "card-body" });
  const show = (parts) => {
    const name = body.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    body.replaceChildren(...parts);
    if (name) body.querySelector(`[data-name="${name}"]`)?.focus();
  };
  return {
    element: h("section", { class: "card" }, h("header", {}, h("h2", {}, title)), body),
    show,
  };
}

function button(name, symbol, text, onclick) {
  return h("button", { type: "button", "data-name": name, onclick }, icon(symbol), text);
}

function facts(list) {
  return h(
    "dl",
    { class: "fact-list" },
    list.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}
