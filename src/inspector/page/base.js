"use strict";
// What the other parts stand on. Whatever was received is put into the document as text and never as markup.

const byId = (id) => document.getElementById(id);

/** Makes an element. Functions become listeners, `true` an empty attribute; strings among the children become text. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets a text only where it differs, so that nothing is laid out anew for nothing. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Asks the process. What it refuses becomes an `Error` with its words, and with `status`. */
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(`api/${path}`, { cache: "no-store", redirect: "error", ...options });
  } catch {
    throw new Error("The process does not answer.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  const error = new Error(said?.error ?? `The process answered with status ${response.status}.`);
  error.status = response.status;
  throw error;
}

const read = async (path) => (await ask(path)).json();

function post(path, body = {}) {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

let forgetting = 0;
/** Tells what was done, where a screen reader hears it as well. */
function say(text) {
  setText(byId("alert"), "");
  setText(byId("said"), text);
  clearTimeout(forgetting);
  forgetting = setTimeout(() => setText(byId("said"), ""), 8000);
}

/** Tells what went wrong. It stays until something else is done. */
function complain(error) {
  setText(byId("said"), "");
  setText(byId("alert"), error.message);
}

/** Does what a button asks for, once at a time, and tells what went wrong. */
function acting(button, act, fails = complain) {
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    try {
      await act();
    } catch (error) {
      fails(error);
    } finally {
      button.ariaBusy = null;
    }
  });
  return button;
}

const two = (number) => String(number).padStart(2, "0");

/** A time of day of this machine's zone, to the millisecond. */
function clock(time) {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return String(time);
  const millis = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`;
}

/** Date and time to the second, or `none`. */
function moment(time, none) {
  if (!time) return none;
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return String(time);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(time).slice(0, 8)}`;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function millis(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 10) return ms.toFixed(2);
  return ms < 100 ? ms.toFixed(1) : String(Math.round(ms));
}

const words = (name) => String(name).replaceAll("_", " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// What has no shape of its own, or turns the order of the text around it, could make a path look like another one.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A received text with its unseen characters named. */
function visible(text) {
  return String(text).replace(UNSEEN, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}
