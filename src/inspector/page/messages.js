// The messages of a WebSocket, in the order in which they passed.

const PREVIEW = 160;
const PAGE = 200;

const session = { id: null, items: null, drawn: 0, hidden: 0, earlier: null, title: null };

function resetTimeline() {
  session.id = null;
  session.drawn = 0;
  session.hidden = 0;
}

function preview(body) {
  if (!body) return "—";
  if (body.withheld) return `masked: ${body.withheld}`;
  const bytes = fromBase64(body.base64.slice(0, Math.ceil(PREVIEW / 3) * 4));
  const text = asText(bytes, true);
  return text !== null && isReadable(text) ? visible(text) : hex(bytes);
}

const way = (message) => (message.direction === "to_server" ? "→ to server" : "← to client");

function messageView(message) {
  const item = el("li", { class: message.refused ? "refused" : null });
  const box = el("details", {
    toggle: () => {
      // What a message holds is laid out only when somebody looks.
      if (box.open && box.children.length === 1) box.append(messageSides(message));
    },
  }, el("summary", { "data-focus": `message.${message.index}` },
    el("span", {}, `#${message.index}`),
    el("span", { class: "at" }, clock(message.at)),
    el("span", {}, way(message)),
    el("span", { class: "preview wire" }, preview(message.sealed)),
    el("span", { class: "preview" }, message.refused ? `✕ refused: ${visible(message.refused)}` : preview(message.plain))));
  item.append(box);
  return item;
}

function messageSides(message) {
  const box = (title, body, place) =>
    el("div", { class: "side" }, el("h4", {}, title),
      body ? bodyView(body, place, `Message ${message.index}, ${title.toLowerCase()}`) : el("p", { class: "quiet" }, "It did not come that far."));
  return el("div", { class: "sides" },
    box("On the wire", message.sealed, "message.sealed"),
    box(`In plain (${message.text ? "text" : "binary"})`, message.plain, "message.plain"));
}

/** The timeline. The messages that stand already stay as they are, opened or not; new ones come behind them. */
function timeline(data) {
  const messages = data.messages ?? [];
  if (session.id !== data.id || messages.length < session.drawn) {
    session.id = data.id;
    session.items = el("ol", { class: "timeline" });
    session.hidden = Math.max(0, messages.length - PAGE);
    session.drawn = session.hidden;
    session.earlier = el("button", { type: "button", "data-focus": "earlier", click: () => showEarlier(data.id) });
  }
  session.items.append(...messages.slice(session.drawn).map(messageView));
  session.drawn = messages.length;
  nameEarlier();
  const none = messages.length === 0 ? el("p", { class: "quiet" }, "No message yet.") : null;
  return el("section", { class: "part", "aria-labelledby": "messages-title" },
    el("h3", { id: "messages-title" }, `Messages (${messages.length})`),
    session.earlier, none,
    el("div", { class: "timeline-head", "aria-hidden": "true" },
      el("span", {}, "No."), el("span", { class: "at" }, "Time"), el("span", {}, "Way"),
      el("span", { class: "wire" }, "On the wire"), el("span", {}, "In plain")),
    session.items);
}

function nameEarlier() {
  session.earlier.hidden = session.hidden === 0;
  setText(session.earlier, `Show ${Math.min(PAGE, session.hidden)} of ${session.hidden} earlier messages`);
}

function showEarlier(id) {
  if (detail.data?.id !== id) return;
  const from = Math.max(0, session.hidden - PAGE);
  session.items.prepend(...detail.data.messages.slice(from, session.hidden).map(messageView));
  session.hidden = from;
  nameEarlier();
}
