// A small plot of one line, or two: what the last minutes were like.

import { h, svg } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 64;

export class Plot {
  /**
   * @param {object} options
   * @param {string} options.title What is plotted.
   * @param {(value: number) => string} options.format Writes a value.
   * @param {string[]} [options.names] Of the lines, if there is more than one.
   */
  constructor({ title, format, names = [""] }) {
    this.format = format;
    this.names = names;
    this.now = h("span", { class: "plot-now number" }, "–");
    this.top = h("span", { class: "plot-top number" });
    this.lines = names.map((_, at) => svg("path", { class: `plot-line line-${at}` }));
    this.area = svg("path", { class: "plot-area" });
    const picture = svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        class: "plot-picture",
        "aria-hidden": "true",
      },
      this.area,
      this.lines,
    );
    this.element = h(
      "figure",
      { class: "plot" },
      h("figcaption", {}, h("span", {}, title), this.now),
      h("div", { class: "plot-frame" }, picture, this.top),
    );
  }

  /**
   * Draws lists of values, the newest last; null where there is none.
   *
   * @param {(number|null)[][]} series One for each line.
   * @param {number} room Values that there is room for.
   */
  draw(series, room) {
    const known = series.flat().filter((value) => value !== null);
    const top = Math.max(...known, Number.MIN_VALUE);
    this.lines.forEach((line, at) => line.setAttribute("d", path(series[at], top, room)));
    this.area.setAttribute("d", closed(path(series[0], top, room)));
    this.now.textContent = known.length
      ? series.map((one, at) => this.#write(one.at(-1), this.names[at])).join(" · ")
      : "–";
    this.top.textContent = known.length ? this.format(Math.max(...known)) : "";
  }

  #write(value, name) {
    return `${name} ${value === null || value === undefined ? "–" : this.format(value)}`.trim();
  }
}

function path(values, top, room) {
  const step = WIDTH / Math.max(1, room - 1);
  const first = room - values.length;
  let isDown = false;
  return values
    .map((value, at) => {
      if (value === null) {
        isDown = false;
        return "";
      }
      const place = `${((first + at) * step).toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 8)).toFixed(1)}`;
      const command = isDown ? "L" : "M";
      isDown = true;
      return command + place;
    })
    .join("");
}

/** Closes a line to an area, if it is in one piece. */
function closed(line) {
  const places = line.split(/[ML]/).filter(Boolean);
  if (places.length < 2 || line.lastIndexOf("M") > 0) return "";
  const x = (place) => place.split(" ")[0];
  return `${line}L${x(places.at(-1))} ${HEIGHT}L${x(places[0])} ${HEIGHT}Z`;
}
