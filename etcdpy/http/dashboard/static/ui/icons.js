// Icons as paths on a grid of 16, drawn with the colour of the text. They only repeat what words
// say beside them, or in a label, so they are hidden from screen readers.

import { svg } from "./dom.js";

const PATHS = {
  chevron: "M6 4l4 4-4 4",
  folder: "M1.75 4.25v8.5h12.5v-7h-6.5l-1.5-2h-4.5z",
  key: "M3.75 1.75h6l2.5 2.5v10h-8.5zM6 6.5h4M6 9h4M6 11.5h2.5",
  keys: "M2.5 3.5h3M2.5 8h3m-3 4.5h3M8 3.5h5.5M8 8h5.5M8 12.5h5.5",
  history: "M8 4.5V8l2.5 1.5M2.2 6.2A6 6 0 1 1 2 8.6M2 2.5v3.7h3.7",
  live: "M1.5 8h3l2-5 3 10 2-5h3",
  leases:
    "M4 1.75h8M4 14.25h8M5 1.75c0 4 6 4.5 6 6.25s-6 2.25-6 6.25M11 1.75c0 4-6 4.5-6 6.25s6 2.25 6 6.25",
  locks: "M3.5 7.25h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2M8 9.75v1.5",
  node: "M2 2.5h12v4.25H2zM2 9.25h12v4.25H2zM4.5 4.6h1M4.5 11.4h1M8 4.6h3.5M8 11.4h3.5",
  users:
    "M8 7.5a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM2.5 14c.3-3 2.6-4.5 5.5-4.5s5.2 1.5 5.5 4.5",
  v2: "M2 3h5v4H2zM9.5 9h4.5v4H9.5zM4.5 7v4h5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3.5 3.5",
  refresh: "M13.5 3v3.5H10M13.2 6.3A5.6 5.6 0 1 0 13.6 9",
  plus: "M8 3v10M3 8h10",
  edit: "M10.5 3l2.5 2.5-7.5 7.5H3v-2.5z",
  trash: "M2.5 4.25h11M6 4V2.5h4V4M4 4.5l.5 9h7l.5-9M6.7 7v4M9.3 7v4",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  download: "M8 2v8M4.75 7L8 10.25 11.25 7M2.5 13.5h11",
  upload: "M8 10.5V2.5M4.75 5.5L8 2.25 11.25 5.5M2.5 13.5h11",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M4.5 2.75v10.5L13 8z",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  back: "M9.5 3.5L5 8l4.5 4.5",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  warning: "M8 2L1.5 13.5h13zM8 6.5v3M8 11.4v.2",
  check: "M2.5 8.5l3.5 3.5 7.5-8",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  logout: "M9.5 2.5h-7v11h7M6.5 8h8M11.5 5l3 3-3 3",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5",
};

export function icon(name, extra = null) {
  return svg(
    "svg",
    { class: ["icon", extra], viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
