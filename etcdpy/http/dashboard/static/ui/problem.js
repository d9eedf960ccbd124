// What is shown in place of something that could not be had.

import { AwayError } from "../net/gateway.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

/** Makes a message of an error, with a way to try again. */
export function problem(error, retry = null) {
  const again = retry && h("button", { type: "button", onclick: retry }, "Try again");
  return h(
    "div",
    { class: ["notice", error.isDenied ? "warn" : "bad"], role: "alert" },
    icon(error.isDenied ? "locks" : "warning"),
    h("div", {}, h("p", {}, explain(error)), again),
  );
}

/** Says what an error means for who looks at the page. */
export function explain(error) {
  if (error instanceof AwayError)
    return "The server does not answer. This goes on by itself once it does.";
  if (error.isDenied) return "You may not see this: permission denied.";
  if (error.wantsLogin) return "You have to log in to see this.";
  return error.message;
}
