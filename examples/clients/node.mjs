#!/usr/bin/env node
// A client of application-level encryption (ALE) for Node 18 or newer; no packages.
//
//   ALE_URL=http://127.0.0.1:8080/orders ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> \
//     node node.mjs [METHOD] < order.json
//
// What the settings and exit statuses mean stands in README.md beside this file; (P…) are clauses of docs/PROTOCOL.md.
// Browsers can't speak ALE: there, `fetch` refuses to set any header that begins with `sec-`.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";

const IV_BYTES = 16;
const TAG_BYTES = 16;
const TIMEOUT_MS = 30_000;
const MAY_LACK_A_BODY = ["GET", "HEAD", "OPTIONS", "DELETE"]; // (P4)

/** The reply can't be trusted: nothing of it may be used. */
class Forged extends Error {}
/** The environment holds something that no request can be made of. */
class BadSettings extends Error {}

/** Reads the settings from the environment, so that no secret stands on a command line. */
function settings(env) {
  const { ALE_URL: url, ALE_ALGORITHM: algorithm, ALE_KEY, ALE_FINGERPRINT: fingerprint } = env;
  if (!url || !ALE_KEY || !fingerprint) throw new BadSettings("set ALE_URL, ALE_KEY and ALE_FINGERPRINT");
  const [, bits, mode] = /^AES-(128|192|256)-(GCM|CFB8?|CTR)$/.exec(algorithm ?? "") ?? [];
  if (!mode) throw new BadSettings("ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}");
  const key = Buffer.from(ALE_KEY, "base64");
  if (key.length * 8 !== Number(bits)) throw new BadSettings(`ALE_KEY is not ${bits} bits of base64`);
  // OpenSSL's names, which Node uses, have the same parts: `-cfb` is CFB128.
  return { url, cipher: algorithm.toLowerCase(), authenticated: mode === "GCM", key, fingerprint };
}

/** Seals one plaintext: raw ciphertext, under GCM followed by the tag (P3). */
function seal({ cipher, authenticated, key }, iv, plaintext) {
  const sealer = createCipheriv(cipher, key, iv);
  const parts = [sealer.update(plaintext), sealer.final()];
  if (authenticated) parts.push(sealer.getAuthTag());
  return Buffer.concat(parts);
}

/** Opens one sealed body. Under GCM nothing is returned before the tag has been verified (P10). */
function open({ cipher, authenticated, key }, iv, sealed) {
  if (!authenticated) return createDecipheriv(cipher, key, iv).update(sealed);
  if (sealed.length < TAG_BYTES) throw new Forged("the body is shorter than a tag");
  const end = sealed.length - TAG_BYTES;
  // Without authTagLength Node would take a shorter tag as well.
  const opener = createDecipheriv(cipher, key, iv, { authTagLength: TAG_BYTES }).setAuthTag(sealed.subarray(end));
  const plaintext = opener.update(sealed.subarray(0, end));
  try {
    opener.final();
  } catch {
    throw new Forged("the tag does not verify");
  }
  return plaintext;
}

/** The reply's IV: canonical base64 of 16 bytes, not all zero (P1), and not the one that we sent (P9). */
function replyIv(text, sent) {
  const iv = Buffer.from(text, "base64");
  // Node ignores what is not base64; a decoded value that encodes to the same text had nothing to ignore.
  if (iv.toString("base64") !== text || iv.length !== IV_BYTES) throw new Forged("sec-iv is not 16 bytes of base64");
  if (iv.every((byte) => byte === 0)) throw new Forged("sec-iv is all zero");
  if (iv.equals(sent)) throw new Forged("the reply bears the IV of our own request");
  return iv;
}

/** The sidecar's own errors come in clear (P5): `{"errorCode":…,"message":…}`. */
function plainError(reply, body) {
  if (reply.status < 400 || !reply.headers.get("content-type")?.startsWith("application/json")) return null;
  try {
    const error = JSON.parse(body.toString("utf8"));
    return Number.isInteger(error?.errorCode) ? JSON.stringify(error) : null;
  } catch {
    return null;
  }
}

async function main(method) {
  const ale = settings(process.env);
  const plaintext = ["GET", "HEAD"].includes(method) ? Buffer.alloc(0) : await buffer(process.stdin);

  const sentIv = randomBytes(IV_BYTES); // a fresh one for every request, retries included
  const headers = {
    "sec-iv": sentIv.toString("base64"),
    "sec-fingerprint": ale.fingerprint,
    "accept-encoding": "identity",
  };
  let body;
  if (plaintext.length > 0 || !MAY_LACK_A_BODY.includes(method)) {
    headers["content-type"] = "application/json"; // the plaintext's type
    body = seal(ale, sentIv, plaintext);
  }
  // A redirect is opened like any other reply, never followed blindly.
  const redirect = "manual";
  const reply = await fetch(ale.url, { method, headers, body, redirect, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const sealed = Buffer.from(await reply.arrayBuffer());

  console.error(String(reply.status));
  if (method === "HEAD" || reply.status === 204 || reply.status === 304) return 0; // nothing to open (P5)
  const iv = reply.headers.get("sec-iv"); // a repeated header comes joined by a comma, and is refused below
  const fingerprint = reply.headers.get("sec-fingerprint");
  if (iv === null && fingerprint === null) {
    const error = plainError(reply, sealed);
    if (error === null) throw new Forged("the reply is not sealed");
    console.error(error);
    return 3;
  }
  if (iv === null || fingerprint === null) throw new Forged("one of the two headers is missing");
  if (fingerprint !== ale.fingerprint) throw new Forged("the reply is under another key");
  const opened = open(ale, replyIv(iv, sentIv), sealed);

  const coding = reply.headers.get("x-ale-content-encoding"); // (P6)
  if (coding !== null) console.error(`x-ale-content-encoding ${JSON.stringify(coding)}: not decoded by this client`);
  process.stdout.write(opened);
  return 0;
}

main((process.argv[2] ?? "POST").toUpperCase()).then(
  (status) => (process.exitCode = status),
  (error) => {
    console.error(error instanceof Forged ? `forged: ${error.message}` : `failed: ${error.cause?.message ?? error.message}`);
    process.exitCode = error instanceof Forged ? 4 : error instanceof BadSettings ? 2 : 1;
  },
);
