// One body, shown as text, as JSON or as hex.

const MOST_TEXT = 32768;
const MOST_HEX = 8192;
// In pixels: where detail.css puts the sides beside each other, and what 16 bytes a line take with all around them.
const WIDE_PANE = 648;
const WIDE_DUMP = 620;

/** What was chosen for each place, so that it holds for the next exchange as well. */
const chosenViews = new Map();

/** The text of a body, and in which ways it can be shown. */
function waysOf(bytes, wasCut) {
  const text = asText(bytes, wasCut);
  return {
    text: text ?? new TextDecoder("utf-8").decode(bytes),
    json: text !== null && !wasCut && isJson(text),
    reads: text !== null && isReadable(text),
  };
}

/** The words about a body's length. */
function lengthWords(body) {
  const exact = body.length >= 1000 ? ` (${body.length} bytes)` : "";
  const cut = body.kept < body.length ? `, the first ${size(body.kept)} kept` : "";
  return `${size(body.length)}${exact}${cut}`;
}

/** As many as stand in half of the pane, or in all of it where the sides stand one below the other. */
function bytesPerLine() {
  const width = byId("detail").clientWidth;
  return (width > WIDE_PANE ? width / 2 : width) >= WIDE_DUMP ? 16 : 8;
}

/** A body with its buttons. `place` names it for the memory of what was chosen, `label` for people. */
function bodyView(body, place, label) {
  if (body.length === 0) return el("p", { class: "quiet" }, "No body.");
  if (body.withheld) return el("p", { class: "quiet" }, `Body: ${size(body.length)}, masked: ${body.withheld}.`);
  const bytes = fromBase64(body.base64);
  const ways = waysOf(bytes, body.kept < body.length);
  const fits = { raw: true, json: ways.json, hex: true };
  const likely = ways.json ? "json" : ways.reads ? "raw" : "hex";
  const chosen = chosenViews.get(place);
  const shown = el("pre", { class: "bytes", tabindex: 0, role: "region", "aria-label": label });
  const more = el("button", { type: "button", class: "link", click: () => show(current, true) }, "Show all of it");
  const buttons = Object.entries({ raw: "Raw", json: "JSON", hex: "Hex" }).map(([way, title]) =>
    el("button", {
      type: "button", "data-way": way, "data-focus": `${place}.${way}`, disabled: !fits[way],
      click: () => {
        chosenViews.set(place, way);
        show(way, false);
      },
    }, title));
  let current = fits[chosen] ? chosen : likely;

  function show(way, whole) {
    current = way;
    for (const button of buttons) button.ariaPressed = button.dataset.way === way;
    const most = whole ? Infinity : way === "hex" ? MOST_HEX : MOST_TEXT;
    const text = way === "json" ? prettyJson(ways.text, most) : ways.text;
    const full = way === "hex" ? bytes.length : text.length;
    shown.classList.toggle("wrap", way !== "hex");
    shown.textContent = way === "hex" ? hexDump(bytes.subarray(0, most), bytesPerLine()) : visible(text.slice(0, most));
    more.hidden = full <= most;
  }

  show(current, false);
  return el("div", {},
    el("div", { class: "body-head" },
      el("span", { class: "quiet" }, `Body: ${lengthWords(body)}`),
      el("span", { role: "group", "aria-label": `${label}, shown as` }, buttons)),
    shown, more);
}
