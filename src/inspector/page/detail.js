// One exchange: what it was on the wire beside what the application saw.

const detail = {
  pane: byId("detail"),
  /** Which is open, or `null`. */
  id: null,
  /** What was read of it last. */
  data: null,
  /** The reports of the doctor by id, as long as the exchange is open. */
  reports: new Map(),
  asked: 0,
};

/** Opens an exchange. With `focus` the keyboard goes there as well. */
async function openDetail(id, { focus = false } = {}) {
  const isOther = id !== detail.id;
  if (isOther) {
    detail.reports.clear();
    resetTimeline();
  }
  detail.id = id;
  history.replaceState(null, "", `#${id}`);
  byId("detail").hidden = false;
  document.querySelector("main").classList.add("with-detail");
  drawSoon();
  detail.asked += 1;
  const asked = detail.asked;
  let data;
  try {
    data = await read(`exchanges/${id}`);
  } catch (error) {
    if (asked !== detail.asked) return;
    showGone(id, error);
    if (focus) byId("detail-title").focus();
    return;
  }
  // Another one was opened meanwhile.
  if (asked !== detail.asked) return;
  detail.data = data;
  drawDetail(isOther);
  if (focus) byId("detail-title").focus();
}

function closeDetail() {
  if (detail.id === null) return;
  list.cursor = detail.id;
  detail.id = null;
  detail.data = null;
  detail.asked += 1;
  history.replaceState(null, "", location.pathname);
  detail.pane.hidden = true;
  detail.pane.replaceChildren();
  document.querySelector("main").classList.remove("with-detail");
  list.grid.focus();
  drawSoon();
}

const closeButton = () =>
  el("button", { type: "button", id: "detail-close", "data-focus": "close", click: closeDetail }, "Close");

function showGone(id, error) {
  detail.data = null;
  const said = error.status === 404 ? "It is no longer kept: younger ones have taken its place." : error.message;
  detail.pane.replaceChildren(
    closeButton(), el("h2", { id: "detail-title", tabindex: -1 }, `Exchange ${id}`), el("p", {}, said));
}

/** Reads the open exchange anew. */
function refreshDetail() {
  if (detail.id !== null) openDetail(detail.id);
}

function drawDetail(isOther) {
  const { data, pane } = detail;
  const held = pane.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const top = isOther ? 0 : pane.scrollTop;
  pane.replaceChildren(
    closeButton(),
    el("h2", { id: "detail-title", tabindex: -1, "data-focus": "title" }, `${data.method} ${visible(data.target)}`),
    facts(data), actions(data), ...trouble(data), timings(data),
    part(data, "request", "Request"), part(data, "reply", "Reply"),
    ...(data.kind === "websocket" ? [timeline(data)] : []));
  pane.scrollTop = top;
  if (held) pane.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

function pairs(className, entries) {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: className }, shown.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function facts(data) {
  const repeated = data.repeats
    ? el("button", { type: "button", class: "link", "data-focus": "repeats", click: () => openDetail(data.repeats) }, `exchange ${data.repeats}`)
    : null;
  return pairs("facts", [
    ["Status", data.status === null ? null : String(data.status)],
    ["Outcome", data.outcome === null ? "under way" : words(data.outcome)],
    ["Started", `${moment(data.started, "")}${clock(data.started).slice(8)}`],
    ["Took", data.ms === null ? null : `${millis(data.ms)} ms`],
    ["From", data.peer],
    ["Proxy", `${data.proxy}, ${data.direction}`],
    ["Key", data.key],
    ["Algorithm", data.algorithm],
    ["Request id", data.request_id === null ? null : visible(data.request_id)],
    ["Repeats", repeated],
  ]);
}

function actions(data) {
  const button = (name, act, focus) =>
    acting(el("button", { type: "button", "data-focus": focus }, name), act);
  const mayRepeat = live.about.can_act && data.kind === "http";
  return el("div", { class: "actions", role: "group", "aria-label": "Actions" },
    mayRepeat ? button("Repeat", () => repeat(data.id, false), "repeat") : null,
    mayRepeat ? button("Repeat exactly", () => repeat(data.id, true), "exactly") : null,
    mayRepeat ? button("Edit and send", () => openSend(data), "edit") : null,
    button("Copy as alewife send", () => copyAs(data.id, "send"), "copy-send"),
    button("Copy as curl", () => copyAs(data.id, "curl"), "copy-curl"));
}

async function repeat(id, exactly) {
  const { id: made } = await (await post(`exchanges/${id}/repeat`, { exactly })).json();
  say(exactly ? `Sent the very bytes of ${id} again, as exchange ${made}.` : `Sealed ${id} anew and sent it, as exchange ${made}.`);
  list.cursor = made;
  await openDetail(made);
}

async function copyAs(id, as) {
  const line = await (await ask(`exchanges/${id}/copy?as=${as}`)).text();
  try {
    await navigator.clipboard.writeText(line);
    say(as === "send" ? "Copied, as alewife send." : "Copied, as curl.");
  } catch {
    byId("copy-text").value = line;
    byId("copy").showModal();
    byId("copy-text").select();
  }
}

const STAGES = {
  request: "when the request was read", opening: "while it was opened", upstream: "at the upstream", sealing: "while it was sealed",
};

/** The failure with its likely cause, and the fault that was asked for. */
function trouble(data) {
  const shown = [];
  if (data.fault) shown.push(el("p", { class: "fault" }, `A fault that was asked for was put on this exchange: ${words(data.fault)}.`));
  if (!data.failure && !hasFailed(data)) return shown;
  const failure = data.failure ?? { stage: null, reason: data.reason ?? words(data.outcome), likely: null };
  const report = el("pre", { class: "report", tabindex: 0, role: "region", "aria-label": "The doctor's report", hidden: true });
  const show = (text) => {
    report.textContent = visible(text);
    report.hidden = false;
  };
  const doctor = acting(el("button", { type: "button", "data-focus": "doctor" }, "Run the doctor"), async () => {
    const { report: text } = await (await post(`exchanges/${data.id}/doctor`)).json();
    if (detail.id !== data.id) return;
    detail.reports.set(data.id, text);
    show(text);
    say("The doctor has reported.");
  });
  if (detail.reports.has(data.id)) show(detail.reports.get(data.id));
  shown.push(el("section", { class: "failure", "aria-labelledby": "failure-title" },
    el("h3", { id: "failure-title" }, failure.stage ? `Failed ${STAGES[failure.stage] ?? words(failure.stage)}` : "Failed"),
    el("p", {}, capital(visible(failure.reason))),
    failure.likely ? el("p", {}, el("strong", {}, "Likely: "), visible(failure.likely)) : null,
    doctor, report));
  return shown;
}

function timings(data) {
  const stages = ["opening", "upstream", "sealing"].map((name) => [name, data.timings?.[name] ?? null]);
  const known = stages.filter(([, ms]) => ms !== null);
  if (known.length === 0) return el("div", { class: "timings" });
  const sum = known.reduce((total, [, ms]) => total + ms, 0);
  const rest = (data.ms ?? sum) - sum;
  if (rest > 0) known.push(["other", rest]);
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, known.map(([name, ms]) => {
    const piece = el("span", { class: `s-${name}` });
    piece.style.flexGrow = (100 * ms) / Math.max(sum, data.ms ?? 0, Number.MIN_VALUE);
    return piece;
  }));
  return el("section", { class: "timings", "aria-label": "Time by stage" }, bar,
    el("ul", {}, known.map(([name, ms]) =>
      el("li", {}, el("i", { class: `s-${name}`, "aria-hidden": "true" }), `${capital(name)} ${millis(ms)} ms`))));
}

/** Whose eyes each side was seen with. */
const EYES = {
  inbound: {
    request: { sealed: "as the client sent it", plain: "as the application got it" },
    reply: { sealed: "as the client got it", plain: "as the application answered" },
  },
  outbound: {
    request: { sealed: "as the peer got it", plain: "as the application sent it" },
    reply: { sealed: "as the peer answered", plain: "as the application got it" },
  },
};

function part(data, name, title) {
  const { sealed, plain, envelope } = data[name] ?? {};
  const section = el("section", { class: "part", "aria-labelledby": `${name}-title` }, el("h3", { id: `${name}-title` }, title));
  if (!sealed && !plain) {
    section.append(el("p", { class: "quiet" }, data.state === "open" ? "Not there yet." : "There was none."));
    return section;
  }
  const eyes = EYES[data.direction]?.[name] ?? { sealed: "", plain: "" };
  const isOpen = data.state === "open";
  section.append(envelopeView(envelope), el("div", { class: "sides" },
    side(sealed, plain, { place: `${name}.sealed`, title: "On the wire", eyes: eyes.sealed, what: title, isOpen }),
    side(plain, sealed, { place: `${name}.plain`, title: "In plain", eyes: eyes.plain, what: title, isOpen })));
  return section;
}

function envelopeView(envelope) {
  if (!envelope) return el("p", { class: "quiet envelope" }, "It bore no envelope that could be read.");
  const inHex = (text) => {
    try {
      return `${text}  (hex ${hex(fromBase64(text))})`;
    } catch {
      return visible(text);
    }
  };
  const proof = envelope.authenticated ? "authenticated" : "not authenticated: a changed byte or another key goes unnoticed";
  return pairs("envelope", [
    ["Fingerprint", envelope.fingerprint === null ? "none" : visible(envelope.fingerprint)],
    ["Algorithm", envelope.algorithm ? `${envelope.algorithm}, ${proof}` : null],
    ["IV", envelope.values ? null : envelope.iv === null ? "none" : inHex(envelope.iv)],
    ["Tag", envelope.values ? null : envelope.tag === null ? "none" : inHex(envelope.tag)],
    ...(envelope.values ?? []).flatMap(({ iv, tag }, at) => [
      [`IV of value ${at + 1}`, iv === null ? "none of its own" : inHex(iv)], [`Tag of value ${at + 1}`, tag === null ? "none" : inHex(tag)],
    ]),
  ]);
}

function side(shown, other, { place, title, eyes, what, isOpen }) {
  const box = el("div", { class: "side" }, el("h4", {}, title, " ", el("span", { class: "quiet" }, eyes)));
  if (!shown) {
    box.append(el("p", { class: "quiet" }, isOpen ? "Not there yet." : "It did not come that far."));
    return box;
  }
  const label = `${what}, ${title.toLowerCase()}`;
  box.append(
    el("p", { class: "start" }, visible(shown.start)),
    fieldTable(shown.headers, other?.headers, `${label}: headers`),
    bodyView(shown.body, place, `${label}: body`));
  if (shown.trailers?.length > 0) box.append(el("p", { class: "quiet" }, "Trailers"), fieldTable(shown.trailers, other?.trailers, `${label}: trailers`));
  return box;
}

/** Headers, each marked that the other side lacks or has otherwise. */
function fieldTable(fields, others, label) {
  const same = new Set((others ?? []).map(([name, value]) => `${lower(name)}\n${value}`));
  const names = new Set((others ?? []).map(([name]) => lower(name)));
  return el("table", { class: "fields", "aria-label": label }, el("tbody", {}, fields.map(([name, value]) => {
    const differs = others && !same.has(`${lower(name)}\n${value}`);
    const tag = !differs ? null : names.has(lower(name)) ? "changed" : "only here";
    return el("tr", { class: differs ? "differs" : null },
      el("th", { scope: "row" }, visible(name)),
      el("td", {}, visible(value), tag ? " " : null, tag ? el("span", { class: "tag" }, tag) : null));
  })));
}
