// Writing keys. Everything that is written was seen before: each write asks for the revision that
// was on the screen, and if there is another one nothing is written and both are shown.

import { fromText } from "../../core/bytes.js";
import { fromEditable, toEditable } from "../../core/escape.js";
import { number } from "../../core/units.js";
import { Dialog, attempt, cancelButton, field, submitButton } from "../../ui/dialog.js";
import { diffView } from "../../ui/diff_view.js";
import { h } from "../../ui/dom.js";
import { icon } from "../../ui/icons.js";
import { keyLabel } from "../../ui/key_label.js";
import { LeaseField } from "../../ui/lease_field.js";
import { notify } from "../../ui/notices.js";
import { ValueEditor } from "../../ui/value_editor.js";

/** Says what was found instead of what was seen, with the difference to what was to be written. */
function conflict(found, wanted, verb) {
  const what = found
    ? `The key was changed meanwhile, at revision ${number(found.modified)}. Nothing was ${verb}.`
    : `The key was deleted meanwhile. Nothing was ${verb}.`;
  return [
    h("p", { class: "notice warn", role: "alert" }, icon("warning"), what),
    h("h3", {}, wanted.title),
    diffView(found?.value ?? null, wanted.value, wanted.title),
  ];
}

/** Edits a key. Resolves when the dialog is gone, to whether it was written. */
export function editKey(app, record) {
  return new Promise((resolve) => {
    let seen = record.modified;
    let isDone = false;
    const editor = new ValueEditor(record.value);
    const place = h("div", { class: "dialog-part" });
    const save = submitButton("Save");
    const dialog = new Dialog({
      title: "Edit",
      size: "wide",
      body: [h("div", {}, keyLabel(record.key)), editor.element, place],
      actions: [cancelButton(() => dialog), save],
      isDirty: () => editor.isDirty,
      submit: () =>
        attempt(dialog, place, async () => {
          const value = editor.read();
          const { done, found, revision } = await app.keys.put(record.key, value, seen);
          if (done) {
            isDone = true;
            dialog.close();
            notify(`Saved as revision ${number(revision)}.`);
            return;
          }
          // From here on the other version is what was seen; another one would be a conflict again.
          seen = found?.modified ?? 0;
          save.textContent = found
            ? `Save over revision ${number(found.modified)}`
            : "Create it again";
          place.replaceChildren(
            ...conflict(found, { title: "From what is there to yours", value }, "written"),
          );
        }),
      closed: () => resolve(isDone),
    });
    dialog.open();
    editor.area.focus();
    editor.area.setSelectionRange(0, 0);
  });
}

/** Creates a key that begins with a prefix. Resolves to the key, or to null. */
export function createKey(app, prefix) {
  return new Promise((resolve) => {
    let created = null;
    const name = h("input", {
      class: "mono",
      spellcheck: "false",
      autocapitalize: "none",
      autocomplete: "off",
      required: true,
      value: toEditable(prefix),
    });
    const editor = new ValueEditor("");
    const lease = new LeaseField(app.gateway);
    const place = h("div", { class: "dialog-part" });
    const dialog = new Dialog({
      title: "New key",
      body: [
        field(
          "Key",
          name,
          "Escapes such as \\x00, \\n and \\u{e4} stand for bytes and characters; \\\\ is a backslash.",
        ),
        editor.element,
        lease.element,
        place,
      ],
      actions: [cancelButton(() => dialog), submitButton("Create")],
      isDirty: () => editor.isDirty,
      submit: () =>
        attempt(dialog, place, async () => {
          const key = fromEditable(name.value, fromText);
          const value = editor.read();
          const { done, found, revision } = await app.keys.put(key, value, 0, await lease.take());
          if (done) {
            created = key;
            dialog.close();
            notify(`Created at revision ${number(revision)}.`);
            return;
          }
          const what = "There is such a key already. Nothing was written.";
          place.replaceChildren(
            h("p", { class: "notice warn", role: "alert" }, icon("warning"), what),
            h("h3", {}, "From what is there to yours"),
            diffView(found?.value ?? null, value, "From what is there to yours"),
          );
        }),
      closed: () => resolve(created),
    });
    dialog.open();
    name.setSelectionRange(name.value.length, name.value.length);
  });
}

/** Deletes a key, after asking. Resolves to whether it was. */
export function deleteKey(app, record) {
  return new Promise((resolve) => {
    let shown = record;
    let isDone = false;
    const place = h("div", { class: "dialog-part" });
    const dialog = new Dialog({
      title: "Delete this key?",
      body: [
        h("div", {}, keyLabel(record.key)),
        h("p", { class: "muted" }, "What was in it stays in its history until that is compacted."),
        place,
      ],
      actions: [cancelButton(() => dialog), submitButton("Delete", "danger primary")],
      submit: () =>
        attempt(dialog, place, async () => {
          const { done, found, revision } = await app.keys.delete(record.key, shown.modified);
          if (done || !found) {
            isDone = true;
            dialog.close();
            notify(done ? `Deleted at revision ${number(revision)}.` : "It was deleted already.");
            return;
          }
          const seen = { title: "From what is there to what you have seen", value: shown.value };
          place.replaceChildren(...conflict(found, seen, "deleted"));
          shown = found;
        }),
      closed: () => resolve(isDone),
    });
    dialog.open();
  });
}

/** Gives a key another lease, or none. Resolves to whether it was done. */
export function attachLease(app, record) {
  return new Promise((resolve) => {
    let isDone = false;
    const lease = new LeaseField(app.gateway, record.lease);
    const place = h("div", { class: "dialog-part" });
    const dialog = new Dialog({
      title: "Lease",
      size: "narrow",
      body: [h("div", {}, keyLabel(record.key)), lease.element, place],
      actions: [cancelButton(() => dialog), submitButton("Attach")],
      submit: () =>
        attempt(dialog, place, async () => {
          const id = await lease.take();
          const { done, found } = await app.keys.attach(record.key, record.modified, id);
          if (!done) {
            const seen = { title: "From what is there to what you have seen", value: record.value };
            place.replaceChildren(...conflict(found, seen, "written"));
            return;
          }
          isDone = true;
          dialog.close();
          notify(
            id === "0" ? "The key has no lease any more." : "The key ends with its lease now.",
          );
        }),
      closed: () => resolve(isDone),
    });
    dialog.open();
  });
}
