// Questions about users and roles. Each resolves to whether something was changed.

import { fromText, prefixEnd, toBase64 } from "../../core/bytes.js";
import { fromEditable } from "../../core/escape.js";
import { confirmAndDo, field } from "../../ui/dialog.js";
import { h } from "../../ui/dom.js";
import { notify } from "../../ui/notices.js";

function ask(title, action, body, task) {
  return confirmAndDo({ title, action, body, task, isDangerous: false });
}

function nameInput() {
  return h("input", {
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
}

function passwordInput() {
  return h("input", { type: "password", required: true, autocomplete: "new-password" });
}

export function addUser({ gateway }) {
  const [name, password] = [nameInput(), passwordInput()];
  return ask("New user", "Add", [field("Name", name), field("Password", password)], async () => {
    await gateway.call("auth/user/add", { name: name.value, password: password.value });
    notify(`The user ${name.value} is there.`);
  });
}

export function changePassword({ gateway }, name) {
  const password = passwordInput();
  return ask(`New password of ${name}`, "Change", [field("Password", password)], async () => {
    await gateway.call("auth/user/changepw", { name, password: password.value });
    notify(`${name} has a new password.`);
  });
}

export function grantRole({ gateway }, user, roles) {
  const role = h(
    "select",
    {},
    roles.map((name) => h("option", {}, name)),
  );
  return ask(`Grant ${user} a role`, "Grant", [field("Role", role)], async () => {
    await gateway.call("auth/user/grant", { user, role: role.value });
    notify(`${user} has the role ${role.value}.`);
  });
}

export function addRole({ gateway }) {
  const name = nameInput();
  return ask("New role", "Add", [field("Name", name)], async () => {
    await gateway.call("auth/role/add", { name: name.value });
    notify(`The role ${name.value} is there.`);
  });
}

const ENDS = {
  key: () => "",
  prefix: prefixEnd,
  from: () => "\0",
};

export function grantPermission({ gateway }, name) {
  const right = h(
    "select",
    {},
    ["READWRITE", "READ", "WRITE"].map((type) =>
      h(
        "option",
        { value: type },
        { READWRITE: "Read and write", READ: "Read", WRITE: "Write" }[type],
      ),
    ),
  );
  const which = h(
    "select",
    {},
    h("option", { value: "prefix" }, "Keys that begin with"),
    h("option", { value: "key" }, "This key alone"),
    h("option", { value: "from" }, "All keys from this one on"),
  );
  const key = h("input", {
    class: "mono",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const body = [
    field("May", right),
    field("Which keys", which),
    field("Key", key, "Empty for all keys."),
  ];
  return ask(`Grant ${name} a right`, "Grant", body, async () => {
    const binary = fromEditable(key.value, fromText);
    // All keys begin with nothing, and etcd writes that as a range from the first key there can be.
    const isAll = binary === "";
    const perm = {
      permType: right.value,
      key: toBase64(isAll ? "\0" : binary),
      range_end: toBase64(isAll ? "\0" : ENDS[which.value](binary)),
    };
    await gateway.call("auth/role/grant", { name, perm });
    notify(`${name} has this right.`);
  });
}
