// Where one is, in the address behind the #: "#/history?key=/a". So back and forward work, and
// a place can be kept or sent to somebody. Keys are written with escapes, as they may be no text.

import { fromText } from "../core/bytes.js";
import { fromEditable, toEditable } from "../core/escape.js";

/** Returns the address of a panel. Values are binary strings; empty ones are left out. */
export function address(panel, parameters = {}) {
  const query = Object.entries(parameters)
    .filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(
      ([name, value]) => `${name}=${encodeURIComponent(toEditable(value)).replaceAll("%2F", "/")}`,
    )
    .join("&");
  return `#/${panel}${query && `?${query}`}`;
}

/** Returns what an address says: the panel, and its parameters. */
export function readAddress(hash) {
  const [panel, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const parameters = {};
  for (const part of query.split("&").filter(Boolean)) {
    const [name, value = ""] = part.split(/=(.*)/s);
    parameters[name] = fromEditable(decode(value), fromText);
  }
  return { panel, parameters };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // cut off on its way: better shown than lost
  }
}

export function go(panel, parameters) {
  location.hash = address(panel, parameters);
}

/** Changes where one is, with a step to come back to. */
export function step(panel, parameters) {
  history.pushState(null, "", address(panel, parameters));
}

/** Changes where one is without a step to come back to. */
export function settle(panel, parameters) {
  history.replaceState(null, "", address(panel, parameters));
}
