// Bytes as `hexdump -C` writes them.
//
//     00000000  68 65 6c 6c 6f 00 ff 0a                           |hello...|

import { toHex } from "./bytes.js";

export const ROW = 16;

/** Writes bytes as rows of sixteen. `start` is where the first byte is in all. */
export function hexdump(binary, start = 0) {
  const rows = [];
  for (let at = 0; at < binary.length; at += ROW) {
    const row = binary.slice(at, at + ROW);
    const pairs = toHex(row).match(/../g);
    const halves = [pairs.slice(0, 8).join(" "), pairs.slice(8).join(" ")];
    const digits = `${halves[0].padEnd(23)}  ${halves[1].padEnd(23)}`;
    const offset = (start + at).toString(16).padStart(8, "0");
    rows.push(`${offset}  ${digits}  |${row.replace(/[^\x20-\x7e]/g, ".")}|`);
  }
  return rows.join("\n");
}
