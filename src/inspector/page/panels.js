// What is done in dialogs: a request written by hand, faults, keys.

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
byId("help-open").addEventListener("click", () => byId("help").showModal());

/** Headers that belong to the connection or to the body as it was, and that the process sets anew. */
// What the proxy adds on its way, or the framing, is none of what was asked.
const OWN_HEADERS = new Set([
  "accept-encoding", "connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade",
  "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id",
]);

/** Opens the form, with what the application saw of an exchange or empty. */
function openSend(data = null) {
  const plain = data?.request?.plain;
  const bytes = plain ? fromBase64(plain.body.base64) : new Uint8Array();
  const text = asText(bytes);
  // A text field would make LF of CRLF, and so change what is sent.
  const isText = text !== null && !text.includes("\r") && !text.includes("\0");
  const headers = (plain?.headers ?? []).filter(([name]) => !OWN_HEADERS.has(lower(name)));
  byId("send-method").value = data?.method ?? "POST";
  byId("send-target").value = plain?.start.split(" ")[1] ?? data?.target ?? "/";
  byId("send-headers").value = data ? headers.map(([name, value]) => `${name}: ${value}`).join("\n") : "content-type: application/json";
  byId("send-as").value = isText ? "text" : "base64";
  byId("send-body").value = isText ? text : toBase64(bytes);
  const wasCut = plain && plain.body.kept < plain.body.length;
  setText(byId("send-note"), wasCut ? `Only the first ${size(plain.body.kept)} of the body were kept.` : data && !plain ? "It was not opened, so its body is not known." : "");
  setText(byId("send-error"), "");
  if (data) byId("send-proxy").value = data.proxy;
  byId("send").showModal();
}

/** The lines of the headers as pairs. */
function parseHeaders(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`This header has no colon: ${line}`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

function writtenBody() {
  const text = byId("send-body").value;
  if (byId("send-as").value === "text") return toBase64(new TextEncoder().encode(text));
  try {
    return toBase64(fromBase64(text.replace(/\s+/g, "")));
  } catch {
    throw new Error("The body is not base64.");
  }
}

byId("send-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { id } = await (await post("send", {
      proxy: byId("send-proxy").value,
      method: byId("send-method").value.trim(),
      target: byId("send-target").value.trim(),
      headers: parseHeaders(byId("send-headers").value),
      body: writtenBody(),
    })).json();
    byId("send").close();
    say(`Sent, as exchange ${id}.`);
    list.cursor = id;
    await openDetail(id, { focus: true });
  } catch (error) {
    setText(byId("send-error"), error.message);
  }
});

const faults = { kinds: [] };

/** Reads which faults wait; the button in the head counts them. */
async function readFaults() {
  const { faults: waiting, kinds } = await read("faults");
  const titleOf = (kind) => kinds.find((one) => one.kind === kind)?.title ?? words(kind);
  const left = waiting.reduce((sum, one) => sum + one.left, 0);
  setText(byId("faults-open"), left > 0 ? `Faults (${left} waiting)` : "Faults");
  byId("faults-now").replaceChildren(...(waiting.length > 0
    ? waiting.map((one) => el("li", {}, `${titleOf(one.kind)}: ${one.left} more`))
    : [el("li", {}, "None.")]));
  byId("faults-end").disabled = waiting.length === 0;
  if (faults.kinds.length === 0) {
    faults.kinds = kinds;
    byId("fault-kind").replaceChildren(...kinds.map((one) => el("option", { value: one.kind }, one.title)));
    explainFault();
  }
}

function explainFault() {
  const kind = byId("fault-kind").value;
  setText(byId("fault-does"), faults.kinds.find((one) => one.kind === kind)?.does ?? "");
  for (const id of ["fault-ms", "fault-ms-label"]) byId(id).hidden = kind !== "delay";
}

const inFaults = (error) => setText(byId("faults-error"), error.message);

byId("fault-kind").addEventListener("change", explainFault);
byId("faults-open").addEventListener("click", () => {
  setText(byId("faults-error"), "");
  byId("faults").showModal();
  readFaults().catch(inFaults);
});
byId("faults-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setText(byId("faults-error"), "");
  const kind = byId("fault-kind").value;
  const asked = { kind, count: byId("fault-count").valueAsNumber };
  if (kind === "delay") asked.ms = byId("fault-ms").valueAsNumber;
  try {
    await post("faults", asked);
    await readFaults();
  } catch (error) {
    inFaults(error);
  }
});
acting(byId("faults-end"), async () => {
  await ask("faults", { method: "DELETE" });
  await readFaults();
}, inFaults);

const inKeys = (error) => setText(byId("keys-error"), error.message);

async function readKeys() {
  const { keysets, can_rotate: canRotate } = await read("keys");
  byId("rotate").hidden = !(canRotate && live.about.can_act);
  byId("keysets").replaceChildren(...keysets.flatMap((set) => [el("h3", {}, `Key set ${set.name}`), keyTable(set)]));
}

function keyTable(set) {
  const heads = ["Fingerprint", "Algorithm", "State", "Valid from", "Valid until", "Sealed", "Opened", "Last used", "May it go?"];
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Keys of ${set.name}` },
    el("table", { class: "table" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, set.keys.map((key) => el("tr", {},
        el("th", { scope: "row", class: "mono" }, visible(key.fingerprint)),
        [key.algorithm, key.seals && key.state !== "sealing" ? `${words(key.state)}, seals` : words(key.state),
          moment(key.valid_from, "no start"), moment(key.valid_until, "no end"), String(key.sealed), String(key.opened),
          moment(key.last_used, "never"), `${key.may_go ? "Yes" : "No"}: ${key.why}`].map((text) => el("td", {}, text)))))));
}

byId("keys-open").addEventListener("click", () => {
  for (const id of ["keys-error", "keys-said"]) setText(byId(id), "");
  byId("keys").showModal();
  readKeys().catch(inKeys);
});
acting(byId("rotate"), async () => {
  setText(byId("keys-error"), "");
  const { fingerprint } = await (await post("keys/rotate")).json();
  setText(byId("keys-said"), `${fingerprint} seals from now on.`);
  await readKeys();
}, inKeys);
