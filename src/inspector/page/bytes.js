// Bytes as text, as hex and as JSON.

/** The bytes of standard base64. */
function fromBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function toBase64(bytes) {
  let raw = "";
  // In pieces, since a call takes only so many arguments.
  for (let i = 0; i < bytes.length; i += 8192) raw += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(raw);
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The text, or `null` where the bytes are not UTF-8. A body that was cut may end within a character. */
function asText(bytes, wasCut = false) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: wasCut });
  } catch {
    return null;
  }
}

/** Whether a text has hardly anything but characters that can be read. */
function isReadable(text) {
  const unseen = text.slice(0, 4096).match(UNSEEN);
  return unseen === null || unseen.length * 20 < Math.min(text.length, 4096);
}

/** So many bytes a line, 8 or 16: where, in hex, as ASCII. */
function hexDump(bytes, perLine) {
  const lines = [];
  const width = perLine === 16 ? 49 : 23;
  for (let at = 0; at < bytes.length; at += perLine) {
    const line = bytes.subarray(at, at + perLine);
    const pairs = Array.from(line, (byte) => byte.toString(16).padStart(2, "0"));
    if (pairs.length > 8) pairs.splice(8, 0, "");
    const ascii = Array.from(line, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(6, "0")}  ${pairs.join(" ").padEnd(width)}  ${ascii.join("")}`);
  }
  return lines.join("\n");
}

const JSON_TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const DEEPEST = 20;

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * JSON over several lines, ended once it is longer than `most`. The text is only laid out: names that come twice, and digits
 * that a double would lose, stay.
 */
function prettyJson(text, most = Infinity) {
  const opens = (token) => token === "{" || token === "[";
  let out = "";
  let depth = 0;
  let last = "";
  for (const [token] of text.matchAll(JSON_TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    // An empty object or list stays on its line.
    if (closes ? !opens(last) : opens(last) || last === ",") out += `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
    out += token === ":" ? ": " : token;
    if (opens(token)) depth += 1;
    last = token;
    if (out.length > most) break;
  }
  return out;
}
