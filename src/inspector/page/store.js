// What is known of all exchanges: their summaries, which of them are shown, and what was left out.

const store = {
  /** Every summary by id, oldest first. */
  all: new Map(),
  /** Those that filter and search let through, oldest first. */
  shown: [],
  leftOut: 0,
  limits: { exchanges: 1000 },
  filter: { words: [], outcome: "", kind: "", proxy: "", bodies: false },
};

const hasFailed = (one) => Boolean(one.reason) || (Boolean(one.outcome) && one.outcome !== "answered");

const FIELDS = {
  method: (one) => one.method,
  path: (one) => one.target,
  status: (one) => one.status,
  key: (one) => one.key,
  reason: (one) => one.reason,
  outcome: (one) => one.outcome,
  peer: (one) => one.peer,
  proxy: (one) => one.proxy,
  id: (one) => one.id,
};

const lower = (value) => String(value ?? "").toLowerCase();

/** The words of a search, each with the field that it is looked for in, or `null`. */
function parseSearch(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const colon = word.indexOf(":");
    const field = FIELDS[word.slice(0, Math.max(colon, 0))] ?? null;
    return field && colon + 1 < word.length ? { field, word: word.slice(colon + 1) } : { field: null, word };
  });
}

/** All that a summary says, for the words without a field. */
function textOf(one) {
  one.text ??= [
    one.method, one.target, one.status, one.key, one.algorithm, one.reason, one.outcome, words(one.outcome ?? ""),
    one.peer, one.proxy, one.kind, one.request_id, one.fault,
  ].join("\n").toLowerCase();
  return one.text;
}

function isFound(one, { field, word }) {
  if (field === FIELDS.status || field === FIELDS.id) return lower(field(one)).startsWith(word);
  if (field) return lower(field(one)).includes(word);
  return textOf(one).includes(word) || (store.filter.bodies && (bodies.texts.get(one.id)?.includes(word) ?? false));
}

function matches(one) {
  const { words, outcome, kind, proxy } = store.filter;
  if (kind && one.kind !== kind) return false;
  if (proxy && one.proxy !== proxy) return false;
  if (outcome === "failed" && !hasFailed(one)) return false;
  if (outcome === "ok" && (hasFailed(one) || one.state !== "done")) return false;
  if (outcome === "open" && one.state !== "open") return false;
  return words.every((word) => isFound(one, word));
}

/** Looks anew which are shown. */
function refilter() {
  store.shown = [];
  for (const one of store.all.values()) {
    one.matches = matches(one);
    if (one.matches) store.shown.push(one);
  }
}

/** Takes in summaries, known ones or new ones. Returns those that have failed just now. */
function takeIn(summaries) {
  const failures = [];
  let anew = false;
  for (const summary of summaries) {
    const known = store.all.get(summary.id);
    if (hasFailed(summary) && !(known && hasFailed(known))) failures.push(summary);
    if (known) {
      Object.assign(known, summary, { text: null });
      anew ||= known.matches !== matches(known);
    } else {
      // One that comes late would stand behind younger ones.
      anew ||= summary.id < store.newest;
      store.newest = Math.max(store.newest, summary.id);
      store.all.set(summary.id, summary);
      summary.matches = matches(summary);
      if (summary.matches) store.shown.push(summary);
    }
  }
  if (anew) {
    store.all = new Map([...store.all].sort(([a], [b]) => a - b));
    refilter();
  }
  dropOldest();
  return failures;
}

/** Forgets what the process, too, no longer keeps. */
function dropOldest() {
  let unshown = 0;
  for (const [id, one] of store.all) {
    if (store.all.size <= store.limits.exchanges) break;
    store.all.delete(id);
    bodies.forget(id);
    store.leftOut += 1;
    if (one.matches) unshown += 1;
  }
  if (unshown > 0) store.shown.splice(0, unshown);
}

/** Puts the answer of `api/exchanges` in the place of all that was known. */
function replaceAll({ exchanges, left_out: leftOut, limits }) {
  store.limits = limits;
  store.leftOut = leftOut;
  store.all = new Map(exchanges.map((one) => [one.id, one]));
  store.newest = exchanges.at(-1)?.id ?? 0;
  bodies.keepOnly(store.all);
  refilter();
}

store.newest = 0;

/** The plain bodies as text, for the search. They are read only when somebody wants to search them. */
const bodies = {
  MOST: 1000,
  MOST_TEXT: 65536,
  AT_ONCE: 4,
  texts: new Map(),
  running: false,

  forget(id) {
    this.texts.delete(id);
  },
  keepOnly(all) {
    for (const id of this.texts.keys()) if (!all.has(id)) this.texts.delete(id);
  },
  /** The newest whose bodies are not known yet and can no longer change. */
  missing() {
    const newest = [...store.all.values()].slice(-this.MOST).reverse();
    return newest.filter((one) => one.state === "done" && !this.texts.has(one.id));
  },
  async readOne(one) {
    try {
      const detail = await read(`exchanges/${one.id}`);
      const all = [detail.request?.plain?.body, detail.reply?.plain?.body, ...(detail.messages ?? []).map((m) => m.plain)];
      const texts = all.filter(Boolean).map((body) => asText(fromBase64(body.base64), body.kept < body.length) ?? "");
      this.texts.set(one.id, texts.join("\n").slice(0, this.MOST_TEXT).toLowerCase());
    } catch {
      // It is gone meanwhile. Its summary is still searched.
      this.texts.set(one.id, "");
    }
  },
  /** Reads what is missing and calls `found` as it goes on. */
  async readMissing(found) {
    if (this.running) return;
    this.running = true;
    try {
      for (let left = this.missing(); left.length > 0 && store.filter.bodies; left = this.missing()) {
        await Promise.all(left.slice(0, this.AT_ONCE).map((one) => this.readOne(one)));
        found();
      }
    } finally {
      this.running = false;
    }
  },
};
