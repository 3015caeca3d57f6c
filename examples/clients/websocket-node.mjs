#!/usr/bin/env node
// A WebSocket client of application-level encryption (ALE) for Node 18 or newer and the package `ws`.
//
//   ALE_URL=ws://127.0.0.1:8080/tables/7 ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> \
//     node websocket-node.mjs [COUNT] < orders.txt
//
// Each line is a message. What the settings, lines and exit statuses mean stands in README.md beside this file; (P…)
// are clauses of docs/PROTOCOL.md.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { buffer } from "node:stream/consumers";

const IV_BYTES = 16;
const TAG_BYTES = 16;
const TIMEOUT_MS = 30_000;
const LONGEST_ENVELOPE = 64 * 1024 * 1024;
const BINARY = "base64:"; // marks a line that is a binary message

/** What the other side sent can't be trusted: nothing of it may be used. */
class Forged extends Error {}
/** The sidecar refused the handshake or a message. */
class Refused extends Error {}
/** The environment holds something that no session can be made of. */
class BadSettings extends Error {}

/** `require`, unlike `import`, looks along NODE_PATH as well. */
function webSocketClass() {
  try {
    return createRequire(import.meta.url)("ws").WebSocket;
  } catch {
    throw new BadSettings("the package `ws` is missing (npm install ws)");
  }
}

/** Reads the settings from the environment, so that no secret stands on a command line. */
function settings(env) {
  const { ALE_URL: url, ALE_ALGORITHM: algorithm, ALE_KEY, ALE_FINGERPRINT: fingerprint } = env;
  if (!url || !ALE_KEY || !fingerprint) throw new BadSettings("set ALE_URL, ALE_KEY and ALE_FINGERPRINT");
  if (!/^wss?:\/\//.test(url)) throw new BadSettings("ALE_URL is not a ws or wss address");
  const [, bits, mode] = /^AES-(128|192|256)-(GCM|CFB8?|CTR)$/.exec(algorithm ?? "") ?? [];
  if (!mode) throw new BadSettings("ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}");
  const key = Buffer.from(ALE_KEY, "base64");
  if (key.length * 8 !== Number(bits)) throw new BadSettings(`ALE_KEY is not ${bits} bits of base64`);
  // OpenSSL's names, which Node uses, have the same parts: `-cfb` is CFB128.
  return { url, cipher: algorithm.toLowerCase(), authenticated: mode === "GCM", key, fingerprint };
}

/** What a session seals and opens, and the IVs that it has sealed under (P9). */
class Session {
  #ale;
  #sealedUnder = new Set();

  constructor(ale) {
    this.#ale = ale;
  }

  /** A fresh IV for each message and for the handshake, never one twice. */
  freshIv() {
    const iv = randomBytes(IV_BYTES);
    this.#sealedUnder.add(iv.toString("base64"));
    return iv;
  }

  /** One message as its envelope: ciphertext, under GCM followed by the tag, in base64 (P7). */
  seal(plaintext) {
    const { cipher, authenticated, key, fingerprint } = this.#ale;
    const iv = this.freshIv();
    const sealer = createCipheriv(cipher, key, iv);
    const parts = [sealer.update(plaintext), sealer.final()];
    if (authenticated) parts.push(sealer.getAuthTag());
    const message = Buffer.concat(parts).toString("base64");
    return JSON.stringify({ iv: iv.toString("base64"), fingerprint, message });
  }

  /** The plaintext of one envelope. Under GCM nothing is returned before the tag has been verified (P10). */
  open(text) {
    const { cipher, authenticated, key } = this.#ale;
    const envelope = this.#envelope(text);
    const iv = this.#iv(envelope.iv);
    const sealed = canonical(envelope.message, "message");
    if (!authenticated) return createDecipheriv(cipher, key, iv).update(sealed);
    if (sealed.length < TAG_BYTES) throw new Forged("a message is shorter than a tag");
    const end = sealed.length - TAG_BYTES;
    // Without authTagLength Node would take a shorter tag as well.
    const opener = createDecipheriv(cipher, key, iv, { authTagLength: TAG_BYTES }).setAuthTag(sealed.subarray(end));
    const plaintext = opener.update(sealed.subarray(0, end));
    try {
      opener.final();
    } catch {
      throw new Forged("a tag does not verify");
    }
    return plaintext;
  }

  #envelope(text) {
    let envelope;
    try {
      envelope = JSON.parse(text);
    } catch {
      throw new Forged("a message is not sealed");
    }
    if (Number.isInteger(envelope?.errorCode)) throw new Refused(JSON.stringify(envelope));
    const members = [envelope?.iv, envelope?.fingerprint, envelope?.message];
    if (!members.every((member) => typeof member === "string")) throw new Forged("a message is not sealed");
    if (envelope.fingerprint !== this.#ale.fingerprint) throw new Forged("a message is under another key");
    return envelope;
  }

  /** 16 bytes, not all zero (P1), and none that we sealed under: it would be our own message, played back (P9). */
  #iv(text) {
    const iv = canonical(text, "iv");
    if (iv.length !== IV_BYTES || iv.every((byte) => byte === 0)) throw new Forged("an iv is not 16 random bytes");
    if (this.#sealedUnder.has(text)) throw new Forged("a message bears the IV of one of our own");
    return iv;
  }
}

/** Node ignores what is not base64; a decoded value that encodes to the same text had nothing to ignore. */
function canonical(text, member) {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new Forged(`${member} is not canonical base64`);
  return bytes;
}

/** The lines of a stream. `readline` would split at more than line feeds. */
async function* lines(input) {
  let rest = "";
  input.setEncoding("utf8");
  for await (const piece of input) {
    const parts = (rest + piece).split("\n");
    rest = parts.pop();
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** The handshake bears both headers; its IV opens no message (P7). */
function connect(WebSocket, ale, session) {
  const headers = { "sec-iv": session.freshIv().toString("base64"), "sec-fingerprint": ale.fingerprint };
  const options = { headers, perMessageDeflate: false, maxPayload: LONGEST_ENVELOPE, handshakeTimeout: TIMEOUT_MS };
  return new WebSocket(ale.url, options);
}

function opened(socket) {
  return new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
    socket.once("unexpected-response", async ({ socket: connection }, reply) => {
      const body = await buffer(reply).catch(() => Buffer.alloc(0));
      connection.destroy(); // it would be kept, and this program with it
      console.error(String(reply.statusCode));
      reject(new Refused(reply.headers["sec-iv"] ? "by the application" : body.toString("utf8")));
    });
  });
}

/** Prints what comes until `expected()` messages came; fails if the session ends before. */
function receive(socket, session, expected) {
  return new Promise((resolve, reject) => {
    let received = 0;
    const look = () => received >= expected() && resolve();
    socket.on("message", (data, isBinary) => {
      try {
        const plaintext = session.open(data.toString("utf8"));
        console.log(isBinary ? BINARY + plaintext.toString("base64") : text(plaintext));
      } catch (error) {
        return reject(error);
      }
      received += 1;
      look();
    });
    socket.on("close", (code, reason) => reject(ended(code, reason.toString("utf8"))));
    socket.on("error", reject);
    socket.on("sent-all", look);
  });
}

function text(plaintext) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plaintext);
  } catch {
    throw new Forged("a text message is not UTF-8");
  }
}

function ended(code, reason) {
  const words = `${code} ${reason}`.trim();
  return code === 1008 ? new Refused(words) : new Error(`the session ended too early: ${words}`);
}

function countOf(argument) {
  if (argument !== undefined && !/^\d+$/.test(argument)) throw new BadSettings("COUNT is a number of messages");
  return argument === undefined ? undefined : Number(argument);
}

async function main(argument) {
  const count = countOf(argument);
  const WebSocket = webSocketClass();
  const ale = settings(process.env);
  const session = new Session(ale);
  const socket = connect(WebSocket, ale, session);
  let expected = count ?? Infinity;
  // Listening before the session is open: its first message may come with the handshake's last byte.
  const received = receive(socket, session, () => expected);
  received.catch(() => {}); // looked at below
  await opened(socket);
  console.error("101");

  const send = (data, binary) => new Promise((resolve) => socket.send(data, { binary }, resolve));
  const sent = (async () => {
    let messages = 0;
    for await (const line of lines(process.stdin)) {
      const binary = line.startsWith(BINARY);
      await send(session.seal(binary ? Buffer.from(line.slice(BINARY.length), "base64") : line), binary);
      messages += 1;
    }
    expected = count ?? messages;
    socket.emit("sent-all");
  })();
  try {
    await Promise.all([received, sent]);
  } finally {
    process.stdin.destroy(); // it may still be open
    socket.close(1000);
  }
  return 0;
}

function report(error) {
  if (error instanceof Forged) console.error(`forged: ${error.message}`);
  else if (error instanceof Refused) console.error(error.message);
  else console.error(`failed: ${error.message}`);
  return error instanceof Forged ? 4 : error instanceof Refused ? 3 : error instanceof BadSettings ? 2 : 1;
}

main(process.argv[2]).then(
  (status) => (process.exitCode = status),
  (error) => (process.exitCode = report(error)),
);
