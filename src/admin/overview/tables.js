// What the report says, as tables. Names, addresses and reasons come from configurations and portals: they are text, and
// nothing but text.

/** Times of the sidecar's own clock: it and this one's need not agree. */
const ago = (text, now) => {
  const seconds = Math.round((Date.parse(now) - Date.parse(text)) / 1000);
  if (!text) return "never";
  if (Number.isNaN(seconds)) return text;
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const at = units.findIndex(([, size]) => Math.abs(seconds) >= size);
  if (at < 0) return "now";
  const [name, size] = units[at];
  return seconds < 0 ? `in ${Math.floor(-seconds / size)}${name}` : `${Math.floor(seconds / size)}${name} ago`;
};
const ofLimit = (count, limit) => (limit == null ? `${count}` : `${count} of ${limit}`);
const day = (text) => text?.replace("T", " ").replace(/(:\d\d)(?:\.\d+)?Z$/, "$1Z") ?? "";
const number = (text) => ({ text: `${text}`, kind: "number" });
const mono = (text) => ({ text: `${text}`, kind: "mono" });
const verdict = (holds, reason) => ({ text: `${holds ? "yes" : "no"}: ${reason}`, kind: holds ? "yes" : "no" });

function configuration({ configuration: known, now }) {
  if (!known) return [];
  const last = known.last_reload;
  const rows = [
    ["File", mono(known.path ?? "none")],
    ["Digest", mono(known.digest)],
    ["Loaded", `${day(known.loaded)}, ${ago(known.loaded, now)}`],
    ["Last reload", last ? { text: `${last.outcome}, ${ago(last.at, now)}`, kind: last.outcome === "refused" ? "bad" : "" } : "none yet"],
  ];
  for (const fault of last?.faults ?? []) rows.push(["Fault", { text: fault, kind: "bad" }]);
  if (known.needs_restart?.length > 0) rows.push(["Needs a restart to hold", known.needs_restart.join(", ")]);
  return rows;
}

const listeners = ({ listeners: all = [] }) => all.map((one) => [
  one.name, one.mode, mono(one.address), one.tls ? "yes" : "no", mono(one.goes_to ?? ""), number(ofLimit(one.connections, one.limits?.connections)),
  number(ofLimit(one.in_flight, one.limits?.requests)), number(ofLimit(one.sessions, one.limits?.sessions)),
]);

const outcomes = ({ listeners: all = [] }) => all.flatMap(({ name, outcomes: ended = {} }) => Object.entries(ended)
  .filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a).map(([outcome, count]) => [name, outcome, number(count)]));

function keys({ keysets, now }) {
  const last = ({ opened, sealed }) => [opened.last, sealed.last].filter(Boolean).sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
  return keysets.flatMap((set) => set.keys.map((key) => [
    set.name, mono(key.fingerprint), key.algorithm, key.state, day(key.valid_after), day(key.valid_until), number(key.opened.count),
    number(ofLimit(key.sealed.count, key.sealed.limit)), ago(last(key), now), verdict(key.retire.safe, key.retire.reason),
  ]));
}

const sources = ({ keysets, now }) => keysets.flatMap((set) => (set.sources ?? []).map((one) => [
  set.name, one.kind, mono(one.name), `${ago(one.confirmed, now)}${one.from_cache ? ", from the cache" : ""}`,
  one.failure ? { text: `${ago(one.failure.at, now)}: ${one.failure.what}`, kind: "bad" } : "none",
]));

const migration = ({ migration: all = [], now }) => all.map((one) => {
  const sum = (member) => number(one.networks.reduce((sum, network) => sum + network[member], 0));
  return [one.proxy, one.route, one.policy, one.until ?? "no end", sum("sealed"), sum("plain"), sum("refused"), ago(one.last_plain, now),
    verdict(one.safe_to_require, one.reason)];
});

function reuses({ iv_reuses: { named = [], others } = {}, now }) {
  const rows = named.map((one) => [one.proxy, mono(one.fingerprint), one.network, number(one.count), ago(one.last, now)]);
  if (others?.count > 0) rows.push(["others", "", "", number(others.count), ago(others.last, now)]);
  return rows;
}

/** Each table: its title, its columns (those of numbers stand to the right), its rows, and what is said where it has none. */
const TABLES = [
  ["Listeners", ["Name", "Mode", "Address", "TLS", "Goes to", "#Connections", "#Requests", "#Sessions"], listeners, "No listener."],
  ["Outcomes", ["Listener", "Outcome", "#Exchanges"], outcomes, "No exchange has ended yet."],
  ["Keys", ["Key set", "Fingerprint", "Algorithm", "State", "Valid from", "Valid until", "#Opened", "#Sealed", "Last use", "May go"], keys, "No key."],
  ["Sources of keys", ["Key set", "Source", "From", "Confirmed", "Error since"], sources, "No source."],
  ["Plain clients", ["Proxy", "Route", "Policy", "Until", "#Sealed", "#Plain", "#Refused", "Last plain", "Safe to require"], migration, null],
  ["Repeated IVs", ["Proxy", "Key", "Network", "#Times", "Last"], reuses, null],
  ["Configuration", ["What", "Is"], configuration, null],
];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A section for each table, filled in by `show`. */
class Table {
  constructor([title, columns, rowsOf, none]) {
    Object.assign(this, { rowsOf, none, shown: null });
    this.body = element("tbody");
    const heads = columns.map((column) => element("th", { scope: "col", className: column.startsWith("#") ? "number" : "" }, column.replace("#", "")));
    const id = title.toLowerCase().replaceAll(" ", "-");
    this.table = element("table", {}, element("caption", { className: "hidden" }, title), element("thead", {}, element("tr", {}, ...heads)), this.body);
    // What may be scrolled sideways must be within reach of the keyboard.
    this.scroll = element("div", { className: "scroll", tabIndex: 0 }, this.table);
    this.scroll.setAttribute("role", "region");
    this.scroll.setAttribute("aria-labelledby", id);
    this.nothing = element("p", { className: "quiet" }, none ?? "");
    this.section = element("section", {}, element("h2", { id }, title), this.scroll, this.nothing);
  }

  show(report) {
    const rows = this.rowsOf(report);
    const now = JSON.stringify(rows);
    // Rows that are the same are left alone: somebody may be reading or choosing in them.
    if (now === this.shown) return;
    this.shown = now;
    this.scroll.hidden = rows.length === 0;
    this.nothing.hidden = rows.length > 0;
    this.section.hidden = rows.length === 0 && this.none === null;
    this.body.replaceChildren(...rows.map((cells) => element("tr", {}, ...cells.map((cell, at) => {
      const { text, kind = "" } = typeof cell === "string" ? { text: cell } : cell;
      return element(at === 0 ? "th" : "td", { className: kind, ...(at === 0 && { scope: "row" }) }, text);
    }))));
  }
}
