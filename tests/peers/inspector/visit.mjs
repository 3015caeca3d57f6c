// One visit to the page, in a browser's context of its own.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** A name that the browser takes for this machine, as one does whose owner has its address changed (DNS rebinding). */
export const FOREIGN = "rebound.example";

/** What a skipped check returns says why. */
export const skip = (why) => why;

let marks = 0;

export class Visit {
  contexts = [];
  complaints = [];
  notes = [];

  constructor(world) {
    this.world = world;
    this.mock = world.mock;
    this.base = world.base;
  }

  /** A word that no other check uses, so that checks do not meet each other's exchanges. */
  mark() {
    marks += 1;
    return `mark${process.pid}x${marks}x`;
  }

  note(text) {
    this.notes.push(text);
  }

  /** Opens the page and waits until it shows what there is. */
  async open({ width = 1280, height = 800, colorScheme = "light", path = "" } = {}) {
    const context = await this.world.browser.newContext({
      viewport: { width, height }, colorScheme, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"],
    });
    this.contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    this.#watch(page);
    await page.goto(this.base + path);
    await page.waitForSelector("html[data-ready=true]");
    return page;
  }

  /** Whatever goes elsewhere, breaks the policy or throws spoils the check. */
  #watch(page) {
    const { origin } = new URL(this.base);
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) this.complaints.push(`the page fetches ${url}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`the page throws ${error.stack ?? error}`));
    page.on("dialog", (dialog) => {
      this.complaints.push(`the page runs what it was sent: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("console", (message) => {
      // A refusal of the API is a line in the console as well, and is what some checks are about.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) this.complaints.push(`console: ${message.text()}`);
    });
  }

  async end() {
    for (const context of this.contexts) await context.close();
    return this.complaints;
  }

  /** Asks the API as a script would. */
  async api(path, { method = "GET", given } = {}) {
    const response = await fetch(`${this.base}api/${path}`, {
      method, body: given && JSON.stringify(given), headers: given && { "content-type": "application/json" },
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response.status === 204 ? null : response.json().catch(() => null);
  }

  /** Has an exchange happen. Returns its id. */
  async send(target, { headers = [["content-type", "application/json"]], text = '{"dish":"soup"}', method = "POST" } = {}) {
    const { proxies } = await this.api("about");
    const given = { proxy: proxies[0].name, method, target, headers, body: Buffer.from(text).toString("base64") };
    return (await this.api("send", { method: "POST", given })).id;
  }

  /** Has an exchange fail. Returns its id. */
  async sendRefused(target) {
    await this.api("faults", { method: "POST", given: { kind: "error_code_2", count: 1 } });
    return this.send(target);
  }

  /** Waits until an exchange has ended, and returns it. */
  async ended(id) {
    return until(`exchange ${id} has ended`, async () => {
      const one = await this.api(`exchanges/${id}`);
      return one.state === "done" ? one : null;
    });
  }
}

/** Awaits that `look` finds something, and returns it. */
export async function until(what, look, time = 15_000) {
  const end = Date.now() + time;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `not seen: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** Has axe look at the page: by every rule, or by those that `rules` names. */
export async function axe(page, where, rules) {
  const { AxeBuilder } = require("@axe-core/playwright");
  const builder = new AxeBuilder({ page });
  const { violations } = await (rules ? builder.withRules(rules) : builder).analyze();
  const told = violations.map(({ id, help, nodes }) => `${where}: ${id} (${help}): ${nodes.map(({ target }) => target).join(", ")}`);
  assert.deepEqual(told, []);
}

export const rowOf = (page, id) => page.locator(`#row-${id}`);

/** Searches for `text` and waits until `count` rows are left. */
export async function searchFor(page, text, count) {
  await page.getByRole("searchbox").fill(text);
  await rowsAre(page, count);
}

export async function rowsAre(page, count) {
  await until(`${count} rows`, async () => (await page.getByRole("grid").getAttribute("aria-rowcount")) === String(count + 1));
}

/** Opens an exchange with the mouse. */
export async function openExchange(page, id) {
  await rowOf(page, id).click();
  await page.waitForSelector(`#detail-title`);
  await until(`detail of ${id}`, async () => page.evaluate((id) => detail.data?.id === id, id));
}
