// What the node has to do, and how long that takes: the last five minutes.

import { duration, short } from "../../core/units.js";
import { KEPT } from "../../net/sampler.js";
import { Plot } from "../../ui/plot.js";
import { h } from "../../ui/dom.js";

export class Plots {
  constructor(sampler) {
    this.sampler = sampler;
    this.keys = new Plot({
      title: "Operations on keys/s",
      format: short,
      names: ["read", "write"],
    });
    this.calls = new Plot({ title: "Calls/s", format: short });
    this.latency = h("div", {});
    this.fsync = new Plot({ title: "Disk, fsync", format: duration, names: ["p50", "p99"] });
    this.element = h(
      "section",
      { class: "card wide-card" },
      h("header", {}, h("h2", {}, "Activity"), h("span", { class: "muted" }, "last 5 minutes")),
      h(
        "div",
        { class: "plots" },
        this.keys.element,
        this.calls.element,
        this.latency,
        this.fsync.element,
      ),
    );
    sampler.addEventListener("sample", () => this.draw());
    this.draw();
  }

  draw() {
    const { sampler } = this;
    this.keys.draw([sampler.series("reads"), sampler.series("writes")], KEPT);
    this.calls.draw([sampler.series("calls")], KEPT);
    this.fsync.draw([sampler.series("fsync50"), sampler.series("fsync99")], KEPT);
    this.#drawLatency();
  }

  /** The server measures calls only if it was told to; this page measures its own in any case. */
  #drawLatency() {
    const isMeasured = sampleKnown(this.sampler.series("handling50"));
    if (this.isMeasured !== isMeasured || !this.latencyPlot) {
      this.isMeasured = isMeasured;
      this.latencyPlot = isMeasured
        ? new Plot({ title: "Latency of calls", format: duration, names: ["p50", "p99"] })
        : new Plot({ title: "Latency, as this page sees it", format: duration });
      this.latency.replaceChildren(this.latencyPlot.element);
    }
    const names = isMeasured ? ["handling50", "handling99"] : ["trip"];
    this.latencyPlot.draw(
      names.map((name) => this.sampler.series(name)),
      KEPT,
    );
  }
}

function sampleKnown(series) {
  return series.some((value) => value !== null);
}
