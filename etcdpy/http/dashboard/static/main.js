// The page begins here: what all panels share is made, and the one that the address names is shown.

import { Gateway } from "./net/gateway.js";
import { Keys } from "./net/keys.js";
import { Presence } from "./net/presence.js";
import { Sampler } from "./net/sampler.js";
import { Session } from "./net/session.js";
import { h } from "./ui/dom.js";
import { Frame } from "./ui/frame.js";
import { Login } from "./ui/login.js";
import { problem } from "./ui/problem.js";
import { readAddress } from "./ui/routes.js";

const session = new Session();
const gateway = new Gateway(session);
const app = { session, gateway, keys: new Keys(gateway), presence: new Presence(gateway) };
app.sampler = new Sampler(app);

/** Panels, and what makes each; but for the first they are loaded when they are wanted. */
const PANELS = {
  keys: { name: "Keys", load: () => import("./panels/keys/keys_panel.js") },
  history: { name: "History", load: () => import("./panels/history/history_panel.js") },
  live: { name: "Live", load: () => import("./panels/live/live_panel.js") },
  leases: { name: "Leases", load: () => import("./panels/leases/leases_panel.js") },
  locks: { name: "Locks", load: () => import("./panels/locks/locks_panel.js") },
  node: { name: "Node", load: () => import("./panels/node/node_panel.js") },
  users: { name: "Users", load: () => import("./panels/users/users_panel.js") },
  v2: { name: "v2", isOptional: true, load: () => import("./panels/v2/v2_panel.js") },
};

const frame = (app.frame = new Frame(app, PANELS));
const login = new Login(app);
// What the server has is written on the page.
const { gateway: door, v2 } = document.documentElement.dataset;
if (v2 === "on") frame.add("v2", PANELS.v2.name);
const main = document.getElementById("main");
const made = new Map();
let shown = null;

async function show() {
  if (door === "off") return showClosedDoor();
  const { panel: wanted, parameters } = readAddress(location.hash);
  const name = Object.hasOwn(PANELS, wanted) ? wanted : "keys";
  frame.mark(name);
  try {
    if (!made.has(name)) made.set(name, new (await PANELS[name].load()).default(app));
  } catch (error) {
    main.replaceChildren(h("div", { class: "panel-body" }, problem(error, show)));
    return;
  }
  if (readAddress(location.hash).panel !== wanted) return; // gone on meanwhile
  const panel = made.get(name);
  if (shown !== panel) {
    shown?.hide();
    main.replaceChildren(panel.element);
    document.title = `${PANELS[name].name} · etcdpy`;
  }
  shown = panel;
  panel.show(parameters);
}

/** Without the gateway there is nobody to talk to. */
function showClosedDoor() {
  const text =
    "This server does not serve its JSON gateway (--enable-grpc-gateway=false), which this page needs.";
  main.replaceChildren(
    h("div", { class: "panel-body" }, h("p", { class: "notice warn", role: "alert" }, text)),
  );
}

/** Begins again with what is shown: the server is back, or asks for somebody else. */
function renew() {
  shown?.hide();
  shown?.show(readAddress(location.hash).parameters);
}

addEventListener("hashchange", show);
app.presence.addEventListener("back", renew);
session.addEventListener("change", renew);
session.addEventListener("wanted", ({ detail }) => login.open(detail));
app.presence.addEventListener("back", () => frame.askWhetherToLogIn());
show().then(() => {
  // What nobody waits for, once there is something to look at.
  performance.mark("etcdpy:shown");
  if (door === "off") return;
  frame.askWhetherToLogIn();
  app.sampler.start();
});
