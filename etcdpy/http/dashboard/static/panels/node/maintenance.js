// What is done to a node as a whole.

import { fromBase64, toArray } from "../../core/bytes.js";
import { bytes, number } from "../../core/units.js";
import { Dialog, cancelButton, confirmAndDo, field } from "../../ui/dialog.js";
import { h, setText } from "../../ui/dom.js";
import { saveBlob } from "../../ui/files.js";
import { notify, notifyFailure } from "../../ui/notices.js";

/** Defragments, after telling what that gains. Resolves to whether it was done. */
export function defragment(app, status) {
  const [size, used] = [Number(status.dbSize), Number(status.dbSizeInUse)];
  return confirmAndDo({
    title: "Defragment?",
    isDangerous: false,
    action: "Defragment",
    body: [
      h(
        "p",
        {},
        `The database has ${bytes(size)}, of which ${bytes(used)} are in use. About `,
        h("strong", {}, bytes(Math.max(0, size - used))),
        " go back to the file system.",
      ),
      h(
        "p",
        { class: "muted" },
        "Reads and writes go on meanwhile. It takes about as long as copying what is in use.",
      ),
    ],
    task: async () => {
      await app.gateway.call("maintenance/defragment");
      const { dbSize } = await app.gateway.call("maintenance/status");
      notify(`Defragmented: ${bytes(Number(dbSize))} now, ${bytes(size)} before.`);
    },
  });
}

/** Compacts history up to a revision. Resolves to whether it was done. */
export function compact(app, revision) {
  const input = h("input", {
    type: "number",
    min: "1",
    max: String(revision),
    value: String(revision),
    required: true,
  });
  const physical = h("input", { type: "checkbox" });
  return confirmAndDo({
    title: "Compact history?",
    action: "Compact",
    body: [
      h(
        "p",
        {},
        "Versions that were replaced or deleted before this revision are gone for good. What the keys are now stays.",
      ),
      field("Keep history from revision", input),
      h("label", { class: "check" }, physical, "Wait until the space is free"),
    ],
    task: async () => {
      await app.gateway.call("kv/compaction", {
        revision: input.value,
        physical: physical.checked,
      });
      notify(`History begins at revision ${number(Number(input.value))} now.`);
    },
  });
}

/** Switches an alarm off. Resolves to whether it was done. */
export function disarm(app, { memberID, alarm }) {
  return confirmAndDo({
    title: `Disarm ${alarm}?`,
    isDangerous: false,
    action: "Disarm",
    body: [
      h(
        "p",
        {},
        alarm === "NOSPACE"
          ? "Puts are taken again. Without more room, or less in it, the alarm comes back."
          : "It says that data was found to be wrong. Disarm it only if that is repaired.",
      ),
    ],
    task: async () => {
      await app.gateway.call("maintenance/alarm", { action: "DEACTIVATE", memberID, alarm });
      notify(`${alarm} is off.`);
    },
  });
}

/** Downloads a snapshot, piece by piece. */
export async function downloadSnapshot(app) {
  const stop = new AbortController();
  const bar = h("progress", { "aria-label": "Downloaded" });
  const told = h("p", { role: "status", class: "number" }, "Waiting for the first bytes…");
  const dialog = new Dialog({
    title: "Snapshot",
    size: "narrow",
    body: [bar, told],
    actions: [cancelButton(() => dialog)],
    closed: () => stop.abort(),
  }).open();
  try {
    const parts = [];
    let got = 0;
    for await (const { blob, remaining_bytes } of app.gateway.stream("maintenance/snapshot", [{}], {
      signal: stop.signal,
    })) {
      const piece = toArray(fromBase64(blob));
      // A blob of its own, which the browser may put on the disk.
      parts.push(new Blob([piece]));
      got += piece.length;
      bar.max = got + Number(remaining_bytes ?? 0);
      bar.value = got;
      setText(told, `${bytes(got)} of ${bytes(bar.max)}`);
    }
    saveBlob(
      new Blob(parts),
      `snapshot-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.db`,
    );
    notify(`A snapshot of ${bytes(got)} is saved. “etcdpy snapshot restore” and etcdutl read it.`);
  } catch (error) {
    if (!stop.signal.aborted) notifyFailure("There is no snapshot", error);
  } finally {
    dialog.close();
  }
}
