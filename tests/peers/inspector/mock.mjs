// A process that has nothing but the inspector's API, for the page alone: it seals nothing, it shows what a sidecar
// would show. Tests write `mock.add(…)` where a sidecar would have had an exchange.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer, STATUS_CODES } from "node:http";
import { basename, dirname, join } from "node:path";
import { json } from "node:stream/consumers";

const LIMITS = { exchanges: 10_000, bytes: 67_108_864, body: 1_048_576 };
const KINDS = [
  ["wrong_tag", "Wrong tag", "The tag of the reply is changed: the client must not believe it."],
  ["unknown_fingerprint", "Unknown fingerprint", "The reply names a key that nobody has."],
  ["expired_key", "Expired key", "The request is refused as if its key had expired."],
  ["truncated_body", "Truncated body", "The reply ends in the middle of its body."],
  ["delay", "Delay", "The reply is kept back for a while."],
  ["drop_reply", "Dropped reply", "The connection ends without a reply."],
  ["error_code_1", "errorCode 1", "The request is answered with errorCode 1."],
  ["error_code_2", "errorCode 2", "The request is answered with errorCode 2."],
];
const ABOUT = {
  version: "0.1.0",
  proxies: [{ name: "dev", mode: "inbound", address: "127.0.0.1:8080", upstream: "http://127.0.0.1:3000", profile: "ale" }],
  limits: LIMITS,
  can_act: true,
};

const base64 = (data) => Buffer.from(data).toString("base64");
export const body = (data) => ({ length: Buffer.byteLength(data), kept: Buffer.byteLength(data), base64: base64(data) });

/** The page as a sidecar puts it together. */
function assemble(file, nonce) {
  const folders = [join(dirname(file), basename(file, ".html")), join(dirname(file), "../page")];
  const part = (_, name) => readFileSync(folders.map((folder) => join(folder, name)).find(existsSync), "utf8");
  return readFileSync(file, "utf8").replaceAll(/\{\{([a-z]+\.(?:js|css))\}\}/g, part).replaceAll("{{nonce}}", () => nonce);
}

export class Mock {
  token = randomBytes(16).toString("hex");
  exchanges = new Map();
  streams = new Set();
  calls = [];
  faults = [];
  keys = ["dev-2026-11"];
  about = structuredClone(ABOUT);
  leftOut = 0;
  next = 1;

  static async start(file) {
    const mock = new Mock();
    mock.file = file;
    mock.server = createServer((request, response) => mock.#answer(request, response).catch((error) => {
      response.writeHead(error.status ?? 500, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: error.message }));
    }));
    await new Promise((done) => mock.server.listen(0, "127.0.0.1", done));
    mock.url = `http://127.0.0.1:${mock.server.address().port}/${mock.token}/`;
    return mock;
  }

  close() {
    for (const stream of this.streams) stream.end();
    this.server.close();
    this.server.closeAllConnections();
  }

  event(name, data) {
    for (const stream of this.streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** A summary as the list has it. */
  summary(id, changes = {}) {
    return {
      id, kind: "http", started: new Date().toISOString().replace("Z", "456Z"), proxy: "dev", direction: "inbound",
      peer: "127.0.0.1", method: "POST", target: `/orders?table=${id}`, state: "done", status: 200, outcome: "answered",
      reason: null, key: this.keys.at(-1), algorithm: "AES-256-GCM", request_bytes: 74, reply_bytes: 115,
      ms: 1.234, request_id: randomBytes(8).toString("hex"), repeats: null, fault: null, ...changes,
    };
  }

  /** Has an exchange happen. `detail` holds what only its own page shows. */
  add(changes = {}, detail = {}, quietly = false) {
    const one = { ...this.summary(this.next, changes), detail: { ...this.#detail(), ...detail } };
    const { sealed, plain } = one.detail.request;
    for (const side of [sealed, plain]) if (side) side.start = `${one.method} ${one.target} HTTP/1.1`;
    if (one.status) for (const side of [one.detail.reply.sealed, one.detail.reply.plain]) if (side) side.start = `HTTP/1.1 ${one.status} ${STATUS_CODES[one.status]}`;
    this.next += 1;
    this.exchanges.set(one.id, one);
    if (this.exchanges.size > LIMITS.exchanges) {
      this.exchanges.delete(this.exchanges.keys().next().value);
      this.leftOut += 1;
    }
    if (!quietly) this.event("exchange", this.#shown(one));
    return one;
  }

  change(one, changes) {
    Object.assign(one, changes);
    this.event("exchange", this.#shown(one));
  }

  #shown({ detail, ...summary }) {
    return summary;
  }

  #detail(text = '{"table":7,"dish":"onion soup","note":"no onions, please"}', headers = [["content-type", "application/json"]]) {
    const answer = '{"receipt":1,"status":"cooking","order":{"table":7,"id":90071992547409931}}';
    return {
      request: this.#half(headers, text, "host"),
      reply: this.#half([["content-type", "application/json"], ["date", "Thu, 26 Nov 2026 03:00:00 GMT"]], answer, "server"),
      timings: { opening: 0.104, upstream: 0.912, sealing: 0.081 },
      failure: null,
    };
  }

  /** Both sides of a request or of a reply, which differ in one header. */
  #half(headers, text, changing) {
    const plain = Buffer.from(text);
    const tag = randomBytes(16);
    const sealed = Buffer.concat([randomBytes(plain.length), tag]);
    const iv = base64(randomBytes(16));
    const fingerprint = this.keys.at(-1);
    const [outer, inner] = changing === "host" ? ["127.0.0.1:8080", "127.0.0.1:3000"] : ["alewife", "kitchen"];
    return {
      sealed: {
        start: "", trailers: [], body: body(sealed),
        headers: [[changing, outer], ...headers, ["sec-iv", iv], ["sec-fingerprint", fingerprint], ["content-length", String(sealed.length)]],
      },
      plain: { start: "", trailers: [], body: body(plain), headers: [[changing, inner], ...headers, ["content-length", String(plain.length)]] },
      envelope: { iv, fingerprint, algorithm: "AES-256-GCM", authenticated: true, tag: base64(tag) },
    };
  }

  /** What an exchange shows whose tag does not verify. */
  refused(changes = {}) {
    const detail = this.#detail();
    detail.request.plain = null;
    detail.reply.plain = null;
    detail.reply.envelope = null;
    detail.reply.sealed = {
      start: "", headers: [["content-type", "application/json"]], trailers: [],
      body: body('{"errorCode":2,"message":"Unable to decrypt payload"}'),
    };
    detail.timings = { opening: 0.11, upstream: null, sealing: null };
    detail.failure = {
      stage: "opening", reason: "the tag does not verify",
      likely: "another key or another IV than it was sealed with, or the tag stands elsewhere",
    };
    return this.add({ status: 400, outcome: "ale_error", reason: "the tag does not verify", reply_bytes: 53, ms: 0.21, ...changes }, detail);
  }

  /** A WebSocket with some messages, one of them refused. */
  session(count = 6) {
    const head = this.#half([["upgrade", "websocket"]], "", "host");
    const one = this.add(
      { kind: "websocket", method: "GET", target: "/kitchen", state: "open", status: 101, outcome: null, ms: null },
      { request: head, reply: { sealed: null, plain: null, envelope: null }, messages: [] });
    for (let i = 0; i < count; i += 1) this.message(one, i === 3 ? "not_authentic" : null);
    return one;
  }

  message(one, refused = null) {
    const { messages } = one.detail;
    const index = messages.length;
    const plain = `{"order":${index},"status":"cooking"}`;
    const sealed = JSON.stringify({ iv: base64(randomBytes(16)), fingerprint: this.keys.at(-1), message: base64(randomBytes(plain.length + 16)) });
    messages.push({
      index, at: new Date().toISOString(), direction: index % 2 ? "to_client" : "to_server",
      sealed: body(sealed), plain: refused ? null : body(plain), text: true, refused,
    });
    this.event("message", { id: one.id, index });
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    const path = url.pathname.startsWith(`/${this.token}/`) ? url.pathname.slice(this.token.length + 2) : null;
    if (path === null) throw refusal(404, "not found");
    if (path === "") return this.#page(response);
    const given = request.method === "POST" ? await json(request) : null;
    if (request.method !== "GET") this.calls.push({ method: request.method, path, given });
    if (path === "api/events") return this.#events(response);
    const copy = /^api\/exchanges\/(\d+)\/copy$/.exec(path);
    if (copy) {
      const { target } = this.#find(copy[1]);
      const [command, port] = url.searchParams.get("as") === "curl" ? ["curl", 3000] : ["alewife send --keys dev.toml", 8080];
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
      return response.end(`${command} --json '{"table":7}' 'http://127.0.0.1:${port}${target}'`);
    }
    const answer = this.#do(`${request.method} ${path}`, given);
    response.writeHead(answer === null ? 204 : 200, { "content-type": "application/json" });
    return response.end(answer === null ? undefined : JSON.stringify(answer));
  }

  #page(response) {
    const nonce = base64(randomBytes(16));
    response.writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; `
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    });
    response.end(assemble(this.file, nonce));
  }

  #events(response) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": hello\n\n");
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
  }

  #find(id) {
    const one = this.exchanges.get(Number(id));
    if (!one) throw refusal(404, "this exchange is not kept");
    return one;
  }

  #do(what, given) {
    const [, id, act] = /^\w+ api\/exchanges\/(\d+)(?:\/(\w+))?$/.exec(what) ?? [];
    if (id && !act) {
      const { detail, ...summary } = this.#find(id);
      return { ...summary, ...detail };
    }
    if (act === "repeat") return this.#repeat(this.#find(id), given);
    if (act === "doctor") return { report: "The capture was read as a request.\n\n1. nothing opens it\n   the key dev-2026-11 was tried in 48 ways" };
    switch (what) {
      case "GET api/about": return this.about;
      case "GET api/exchanges":
        return { exchanges: [...this.exchanges.values()].map((one) => this.#shown(one)), left_out: this.leftOut, limits: LIMITS };
      case "DELETE api/exchanges":
        this.exchanges.clear();
        this.leftOut = 0;
        this.event("cleared", {});
        return null;
      case "POST api/send": return this.#send(given);
      case "GET api/keys": return { keysets: [{ name: "default", keys: this.keys.map((key, i) => this.#key(key, i)) }], can_rotate: true };
      case "POST api/keys/rotate":
        this.keys.push(`dev-2026-12-${this.keys.length}`);
        this.event("keys", {});
        return { fingerprint: this.keys.at(-1) };
      case "GET api/faults":
        return { faults: this.faults.map(({ kind, left }) => ({ kind, left })), kinds: KINDS.map(([kind, title, does]) => ({ kind, title, does })) };
      case "POST api/faults":
        if (given.count > 1000) throw refusal(400, "a fault can wait for 1,000 exchanges at most");
        this.faults.push({ ...given, left: given.count });
        this.event("faults", {});
        return null;
      case "DELETE api/faults":
        this.faults = [];
        this.event("faults", {});
        return null;
      default: throw refusal(404, "not found");
    }
  }

  #key(fingerprint, i) {
    const seals = i === this.keys.length - 1;
    return {
      fingerprint, algorithm: "AES-256-GCM", state: seals ? "sealing" : "valid", valid_from: "2026-11-01T00:00:00Z", valid_until: null,
      seals, sealed: 12, opened: 14, last_used: new Date().toISOString(), may_go: false, why: seals ? "it seals" : "it was used a minute ago",
    };
  }

  #takeFault() {
    const [first] = this.faults;
    if (!first) return null;
    first.left -= 1;
    if (first.left === 0) this.faults.shift();
    this.event("faults", {});
    return first.kind;
  }

  #repeat(one, { exactly }) {
    const { body: kept } = one.detail.request.sealed;
    if (kept.kept < kept.length) throw refusal(409, "the body was not kept whole");
    if (exactly) return { id: this.refused({ target: one.target, reason: "replayed", repeats: one.id }).id };
    const { id, started, request_id: requestId, detail, ...same } = one;
    return { id: this.add({ ...same, repeats: one.id }, detail).id };
  }

  #send({ method, target, headers, body: text }) {
    if (!target.startsWith("/")) throw refusal(400, "the target must begin with a slash");
    const fault = this.#takeFault();
    if (fault) return { id: this.refused({ method, target, fault }).id };
    const detail = this.#detail(Buffer.from(text, "base64"), headers);
    const one = this.add({ method, target, state: "open", status: null, outcome: null, ms: null }, detail);
    setImmediate(() => this.change(one, { state: "done", status: 200, outcome: "answered", ms: 1.5 }));
    return { id: one.id };
  }
}

function refusal(status, message) {
  return Object.assign(new Error(message), { status });
}
