// What the inspector does not do for whoever lacks its token, and for pages that are not its own, even if they have it.
import assert from "node:assert/strict";
import { createServer } from "node:http";

import { FOREIGN, until } from "../visit.mjs";

async function context(visit) {
  const made = await visit.world.browser.newContext();
  visit.contexts.push(made);
  return made;
}

/** A page at an origin of its own, which runs `script`. */
async function elsewhere(visit, host) {
  const server = createServer((_, response) => response.end("<!doctype html><title>elsewhere</title>"));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const page = await (await context(visit)).newPage();
  await page.goto(`http://${host}:${server.address().port}/`);
  return { page, server };
}

/** Everything that a page may try with an address of another origin. Returns what it got to know. */
function attempts(base) {
  const told = [];
  const tried = [];
  const load = (name, what) => tried.push(new Promise((done) => {
    what(() => { told.push(name); done(); }, done);
    setTimeout(done, 3000);
  }));
  const element = (name, tag, source) => load(name, (yes, no) => {
    const made = document.createElement(tag);
    made.onload = yes;
    made.onerror = no;
    made[tag === "link" ? "href" : "src"] = source;
    if (tag === "link") made.rel = "stylesheet";
    document.body.append(made);
  });
  load("fetch", (yes, no) => fetch(`${base}api/exchanges`).then((reply) => reply.text()).then(yes, no));
  load("fetch that sends", (yes, no) => fetch(`${base}api/faults`, {
    method: "POST", headers: { "content-type": "application/json" }, body: '{"kind":"drop_reply","count":9}',
  }).then(yes, no));
  load("events", (yes, no) => {
    const events = new EventSource(`${base}api/events`);
    events.onopen = yes;
    events.onerror = () => { events.close(); no(); };
  });
  element("script", "script", `${base}api/exchanges`);
  element("picture", "img", base);
  element("style", "link", base);
  // Its answer cannot be read; that nothing was done is seen at the process.
  const blindly = { method: "POST", mode: "no-cors", body: '{"kind":"drop_reply","count":9}' };
  tried.push(fetch(`${base}api/faults`, blindly).catch(() => null), fetch(`${base}api/keys/rotate`, { ...blindly, body: "{}" }).catch(() => null));
  return Promise.all(tried).then(() => told);
}

/** What the process was made to do. */
async function done(visit) {
  const [{ faults }, { keysets }] = await Promise.all([visit.api("faults"), visit.api("keys")]);
  return { faults, keys: keysets.flatMap(({ keys }) => keys.map(({ fingerprint }) => fingerprint)) };
}

export const checks = [
  {
    name: "without the token, or with another, there is no page",
    realOnly: true,
    async run(visit) {
      const page = await (await context(visit)).newPage();
      const { origin, pathname } = new URL(visit.base);
      const other = [...pathname].map((letter) => (/[0-9a-f]/.test(letter) ? "0" : letter)).join("");
      for (const path of ["/", "/api/exchanges", "/api/events", other, `${other}api/exchanges`]) {
        const reply = await page.goto(origin + path);
        assert.equal(reply.status(), 404, path);
        assert.equal(await page.locator("#grid").count(), 0);
      }
    },
  },
  {
    name: "under a foreign name there is no page, with the token as well",
    realOnly: true,
    async run(visit) {
      const page = await (await context(visit)).newPage();
      const foreign = visit.base.replace("127.0.0.1", FOREIGN);
      for (const path of ["", "api/exchanges", "api/events"]) {
        const reply = await page.goto(foreign + path);
        assert.equal(reply.status(), 403, path);
        assert.equal(await page.locator("#grid").count(), 0);
      }
    },
  },
  ...["127.0.0.1", FOREIGN].map((host) => ({
    name: `a page of another origin gets to know nothing and has nothing done, from ${host}`,
    realOnly: true,
    async run(visit) {
      const before = await done(visit);
      const { page, server } = await elsewhere(visit, host);
      try {
        assert.deepEqual(await page.evaluate(attempts, visit.base), []);
        // A form leaves the page, and what comes is no page of the inspector's.
        await page.evaluate((action) => {
          const form = Object.assign(document.createElement("form"), { method: "post", action, enctype: "text/plain" });
          form.append(Object.assign(document.createElement("input"), { name: '{"kind":"drop_reply","count":9,"x":"', value: '"}' }));
          document.body.append(form);
          form.submit();
        }, `${visit.base}api/faults`);
        await until("the answer to the form", () => page.url().endsWith("api/faults"));
        assert.match(await page.locator("body").innerText(), /error|refused|not/i);
      } finally {
        server.close();
        server.closeAllConnections();
      }
      assert.deepEqual(await done(visit), before);
    },
  })),
  {
    name: "a page of another origin cannot have the inspector in a frame",
    realOnly: true,
    async run(visit) {
      const { page, server } = await elsewhere(visit, "127.0.0.1");
      try {
        const refusal = page.waitForEvent("console", { predicate: (message) => message.text().includes("frame-ancestors"), timeout: 15_000 });
        await page.evaluate((src) => document.body.append(Object.assign(document.createElement("iframe"), { src })), visit.base);
        await refusal;
        for (const frame of page.frames().slice(1)) assert.equal(await frame.locator("#grid").count(), 0);
      } finally {
        server.close();
        server.closeAllConnections();
      }
    },
  },
];
