// All keys with a prefix: into a file, out of one, or away.

import { prefixEnd } from "../../core/bytes.js";
import { TAIL, head, inGroups, line, read } from "../../core/transfer.js";
import { number, plural } from "../../core/units.js";
import { Dialog, cancelButton, confirmAndDo, field } from "../../ui/dialog.js";
import { h, setText } from "../../ui/dom.js";
import { choose, saveBlob } from "../../ui/files.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { notify, notifyFailure } from "../../ui/notices.js";

function named(prefix) {
  return prefix === ""
    ? h("strong", {}, "all keys")
    : h("span", {}, "keys with ", keyLabel(prefix));
}

/** Saves all keys with a prefix, as they are at one revision. */
export async function downloadKeys(app, prefix) {
  const stop = new AbortController();
  const told = h("p", { role: "status" }, "Reading…");
  const dialog = new Dialog({
    title: "Download",
    size: "narrow",
    body: [h("p", {}, "Reading ", named(prefix), "."), told],
    actions: [cancelButton(() => dialog)],
    closed: () => stop.abort(),
  }).open();
  try {
    const parts = [];
    let count = 0;
    for await (const records of app.keys.readAll(prefix, prefixEnd(prefix))) {
      if (stop.signal.aborted) return;
      if (!count) parts.push(head(prefix, app.keys.revision));
      parts.push(records.map((record, at) => line(record, count + at === 0)).join(""));
      count += records.length;
      setText(told, `${plural(count, "key")} so far.`);
    }
    if (!count) parts.push(head(prefix, app.keys.revision));
    saveBlob(new Blob([...parts, TAIL], { type: "application/json" }), "keys.json");
    notify(`${plural(count, "key")} saved.`);
  } catch (error) {
    notifyFailure("The keys could not be read", error);
  } finally {
    dialog.close();
  }
}

/** Writes keys from a file, after telling what would change. Resolves to whether any was. */
export async function uploadKeys(app) {
  const file = await choose("application/json,.json");
  if (!file) return false;
  let entries;
  let plan;
  try {
    entries = read(await file.text());
    plan = await compareAll(app, entries);
  } catch (error) {
    notifyFailure(`“${file.name}” cannot be uploaded`, error);
    return false;
  }
  const overwrite = h("input", { type: "checkbox" });
  const change = plan.changed.length
    ? h(
        "label",
        { class: "check" },
        overwrite,
        `Write the ${plural(plan.changed.length, "key")} with another value, too`,
      )
    : null;
  const told = h("p", { role: "status" });
  return confirmAndDo({
    title: "Upload",
    isDangerous: false,
    action: "Upload",
    body: [
      h(
        "p",
        {},
        `${plural(entries.length, "key")} in “${file.name}”: ${number(plan.missing.length)} new, ` +
          `${number(plan.changed.length)} with another value here, ${number(plan.same)} the same.`,
      ),
      change,
      told,
    ].filter(Boolean),
    task: async () => {
      const wanted = overwrite.checked ? [...plan.missing, ...plan.changed] : plan.missing;
      const { written, conflicts } = await writeAll(app, wanted, (done) =>
        setText(told, `${number(done)} of ${number(wanted.length)}`),
      );
      const rest = conflicts
        ? ` ${plural(conflicts, "key")} changed meanwhile, and stayed as it was.`
        : "";
      notify(`${plural(written, "key")} written.${rest}`, { isBad: conflicts > 0 });
    },
  });
}

/** Tells entries that are new, that differ, and that are there already, as of now. */
async function compareAll(app, entries) {
  const plan = { missing: [], changed: [], same: 0 };
  for (const group of inGroups(entries)) {
    const found = await app.keys.getMany(group.map(({ key }) => key));
    group.forEach((entry, at) => {
      const seen = found[at]?.modified ?? 0;
      if (!seen) plan.missing.push({ ...entry, seen });
      else if (found[at].value === entry.value) plan.same += 1;
      else plan.changed.push({ ...entry, seen });
    });
  }
  return plan;
}

/** Writes entries, each only if it is as it was seen. A group that fails is tried one by one. */
async function writeAll(app, entries, progress) {
  const result = { written: 0, conflicts: 0 };
  let done = 0;
  for (const group of inGroups(entries)) {
    if (await app.keys.putMany(group)) {
      result.written += group.length;
    } else {
      for (const { key, value, seen } of group) {
        const { done: isWritten } = await app.keys.put(key, value, seen);
        result[isWritten ? "written" : "conflicts"] += 1;
      }
    }
    done += group.length;
    progress(done);
  }
  return result;
}

/** Deletes all keys with a prefix, once their number was typed. Resolves to whether it was done. */
export async function deleteKeys(app, prefix) {
  let count;
  try {
    count = await app.keys.count(prefix, prefixEnd(prefix));
  } catch (error) {
    notifyFailure("The keys could not be counted", error);
    return false;
  }
  const typed = h("input", { inputmode: "numeric", autocomplete: "off" });
  return confirmAndDo({
    title: "Delete all of these?",
    action: "Delete all",
    body: [
      h(
        "p",
        { class: "notice warn" },
        icon("warning"),
        h("span", {}, `This deletes `, named(prefix), `: ${plural(count, "key")}.`),
      ),
      field(`How many are that? Type ${count}`, typed),
    ],
    task: async () => {
      if (typed.value.replaceAll(",", "").trim() !== String(count))
        throw new Error("That is another number.");
      notify(`${plural(await app.keys.deletePrefix(prefix), "key")} deleted.`);
    },
  });
}
