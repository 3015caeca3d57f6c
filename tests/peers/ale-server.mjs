#!/usr/bin/env node
// The far end of ALE, written from docs/PROTOCOL.md alone and sharing no code with Alewife: an HTTP and WebSocket
// server that opens what it is sent and answers with the same, sealed. The suite has outbound proxies speak to it.
//
//   ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> node ale-server.mjs
//
// It listens on a free port of 127.0.0.1, prints the port, and ends when its standard input does.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { buffer } from "node:stream/consumers";

const { WebSocketServer } = createRequire(import.meta.url)("ws");

const TAG_BYTES = 16;
const LONGEST_ENVELOPE = 64 * 1024 * 1024;
const MAY_LACK_A_BODY = ["GET", "HEAD", "OPTIONS", "DELETE"]; // (P4)
const MESSAGES = { 1: "Incorrect security headers", 2: "Unable to decrypt payload" };

const { ALE_ALGORITHM: algorithm, ALE_FINGERPRINT: fingerprint, ALE_KEY } = process.env;
const key = Buffer.from(ALE_KEY, "base64");
const cipher = algorithm.toLowerCase();
const authenticated = algorithm.endsWith("-GCM");
const ivLengths = authenticated ? [12, 16] : [16];

/** What is refused, by its errorCode. */
class Refusal extends Error {
  constructor(errorCode) {
    super(MESSAGES[errorCode]);
    this.errorCode = errorCode;
  }
  get json() {
    return JSON.stringify({ errorCode: this.errorCode, message: this.message });
  }
}

function seal(iv, plaintext) {
  const sealer = createCipheriv(cipher, key, iv);
  const ciphertext = Buffer.concat([sealer.update(plaintext), sealer.final()]);
  return authenticated ? Buffer.concat([ciphertext, sealer.getAuthTag()]) : ciphertext;
}

function open(iv, sealed) {
  if (!authenticated) return createDecipheriv(cipher, key, iv).update(sealed);
  if (sealed.length < TAG_BYTES) throw new Refusal(2);
  const end = sealed.length - TAG_BYTES;
  const opener = createDecipheriv(cipher, key, iv, { authTagLength: TAG_BYTES }).setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([opener.update(sealed.subarray(0, end)), opener.final()]);
  } catch {
    throw new Refusal(2);
  }
}

/** Canonical base64 of a permitted number of bytes, not all zero (P1). */
function ivOf(text) {
  const iv = Buffer.from(text, "base64");
  const fits = iv.toString("base64") === text && ivLengths.includes(iv.length) && iv.some((byte) => byte !== 0);
  if (!fits) throw new Refusal(1);
  return iv;
}

/** Both headers, each once (P1, P2). */
function envelopeOf(request) {
  const { "sec-iv": ivs, "sec-fingerprint": fingerprints } = request.headersDistinct;
  if (ivs?.length !== 1 || fingerprints?.length !== 1) throw new Refusal(1);
  const iv = ivOf(ivs[0]);
  if (fingerprints[0] !== fingerprint) throw new Refusal(2);
  return iv;
}

/** A fresh IV as long as the other side's, and not the same (P1, P5, P9). */
function freshIv(other) {
  const iv = randomBytes(other.length);
  return iv.equals(other) ? freshIv(other) : iv;
}

/** POST: the opened body, sealed again. Without a body: the request line, sealed. */
async function answer(request, response) {
  const sealed = await buffer(request);
  const iv = envelopeOf(request);
  const bodyless = sealed.length === 0 && MAY_LACK_A_BODY.includes(request.method);
  const plaintext = bodyless ? Buffer.from(`${request.method} ${request.url}`) : open(iv, sealed);
  const replyIv = freshIv(iv);
  response.writeHead(200, {
    "content-type": request.headers["content-type"] ?? "text/plain",
    ...(request.method !== "HEAD" && { "sec-iv": replyIv.toString("base64"), "sec-fingerprint": fingerprint }),
  });
  response.end(seal(replyIv, plaintext));
}

function refuse(response, error) {
  if (!(error instanceof Refusal)) throw error;
  response.writeHead(400, { "content-type": "application/json" }).end(error.json);
}

/** One JSON object with three string members, each once (P7): counted in the text, for JSON.parse takes the last. */
function openMessage(text, sealedUnder) {
  let envelope;
  try {
    envelope = JSON.parse(text);
  } catch {
    throw new Refusal(1);
  }
  for (const member of ["iv", "fingerprint", "message"]) {
    if (typeof envelope?.[member] !== "string") throw new Refusal(1);
    if (text.split(`"${member}"`).length !== 2) throw new Refusal(1);
  }
  const iv = ivOf(envelope.iv);
  const sealed = Buffer.from(envelope.message, "base64");
  if (sealed.toString("base64") !== envelope.message) throw new Refusal(2);
  if (envelope.fingerprint !== fingerprint || sealedUnder.has(envelope.iv)) throw new Refusal(2); // (P2, P9)
  return open(iv, sealed);
}

/** Each message comes back as the kind that it was. What does not open ends the session. */
function echo(socket, handshakeIv) {
  const sealedUnder = new Set();
  socket.on("message", (data, isBinary) => {
    try {
      const plaintext = openMessage(data.toString("utf8"), sealedUnder);
      const iv = freshIv(handshakeIv);
      sealedUnder.add(iv.toString("base64"));
      const message = seal(iv, plaintext).toString("base64");
      socket.send(JSON.stringify({ iv: iv.toString("base64"), fingerprint, message }), { binary: isBinary });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      socket.close(1008, `errorCode ${error.errorCode}`);
    }
  });
}

const sockets = new WebSocketServer({ noServer: true, maxPayload: LONGEST_ENVELOPE });
const server = createServer((request, response) => {
  answer(request, response).catch((error) => refuse(response, error));
});
server.on("upgrade", (request, stream, head) => {
  try {
    const iv = envelopeOf(request);
    sockets.handleUpgrade(request, stream, head, (socket) => echo(socket, iv));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const type = "content-type: application/json\r\nconnection: close";
    stream.end(`HTTP/1.1 400 Bad Request\r\n${type}\r\ncontent-length: ${error.json.length}\r\n\r\n${error.json}`);
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit(0));
