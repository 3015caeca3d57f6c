#!/usr/bin/env node
// The page of the admin listener, looked at in Chromium. Prints TAP.
//
//   node status.mjs http://127.0.0.1:PORT/ PROXY-URL
//
// PROXY-URL is where the process takes requests: one that is not sealed is refused, and so counts. Each line that this prints
// to standard output once the page is to find the process gone, `# end it`, is answered by whoever started this.
//
//   ALEWIFE_CHROMIUM        the browser, unless `chromium` is on the PATH
//   ALEWIFE_INSPECTOR_SHOTS a folder for screenshots, light and dark
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launch, runChecks } from "./run.mjs";
import { FOREIGN, axe } from "./visit.mjs";

const [base, proxy] = process.argv.slice(2);
const shotsFolder = process.env.ALEWIFE_INSPECTOR_SHOTS;

const report = async () => (await fetch(`${base}status`)).json();
const table = (page, name) => page.getByRole("table", { name, exact: true });
const row = (page, name, text) => table(page, name).getByRole("row").filter({ hasText: text });

const checks = [
  ["the page shows what the report has", async (visit) => {
    const page = await visit.open();
    const { listeners: [listener], keysets: [set], version, pid } = await report();
    await page.getByText(`version ${version}, process ${pid}, up since`).waitFor();
    await page.getByText("Live", { exact: true }).waitFor();
    await row(page, "Listeners", listener.name).getByText(listener.address).waitFor();
    await row(page, "Listeners", listener.name).getByText(listener.goes_to, { exact: true }).waitFor();
    for (const key of set.keys) {
      const shown = row(page, "Keys", key.fingerprint);
      await shown.getByRole("cell", { name: key.algorithm, exact: true }).waitFor();
      // How long it was watched goes on meanwhile.
      const [first, ...rest] = key.retire.reason.split(/\d+/);
      assert.ok(first.length + rest.length > 3, key.retire.reason);
      await shown.getByText(`${key.retire.safe ? "yes" : "no"}: ${first}`).waitFor();
    }
    for (const source of set.sources) await row(page, "Sources of keys", source.name).getByText(source.kind, { exact: true }).waitFor();
    for (const [outcome, count] of Object.entries(listener.outcomes).filter(([, count]) => count > 0)) {
      await row(page, "Outcomes", outcome).getByRole("cell", { name: String(count), exact: true }).waitFor();
    }
    assert.equal(await page.getByRole("button").count() + await page.locator("form, input").count(), 0, "nothing can be done here");
  }],
  ["an exchange that ends is counted without the page being loaded again", async (visit) => {
    const page = await visit.open();
    const { outcomes: { ale_error: before } } = (await report()).listeners[0];
    assert.equal((await fetch(proxy, { method: "POST", body: "plain" })).status, 400);
    await row(page, "Outcomes", "ale_error").getByRole("cell", { name: String(before + 1), exact: true }).waitFor();
  }],
  ["while nothing changes the page stays as it is, and nothing is told to a screen reader", async (visit) => {
    const page = await visit.open();
    await page.evaluate(() => {
      window.changes = 0;
      new MutationObserver((all) => { window.changes += all.length; }).observe(document.getElementById("link"), { childList: true, characterData: true, subtree: true });
      window.asked = 0;
      const before = window.fetch;
      window.fetch = (...given) => { window.asked += 1; return before(...given); };
      document.querySelector("tbody tr").dataset.kept = "yes";
    });
    await page.waitForFunction(() => window.asked >= 2);
    assert.equal(await page.evaluate(() => window.changes), 0);
  }],
  ...[["light", 1280], ["dark", 1280], ["light", 360]].map(([colorScheme, width]) => [`axe finds nothing, ${colorScheme}, ${width} px wide`, async (visit) => {
    const page = await visit.open({ colorScheme, width });
    await axe(page, "status");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    if (shotsFolder) await page.screenshot({ path: join(shotsFolder, `status-${colorScheme}-${width}.png`) });
  }]),
  ["without scripts a sentence says where the same is", async (visit) => {
    const context = await visit.world.browser.newContext({ javaScriptEnabled: false });
    visit.contexts.push(context);
    const page = await context.newPage();
    await page.goto(base);
    await page.getByText("This page needs JavaScript.").waitFor();
    await page.getByRole("link", { name: "status", exact: true }).click();
    assert.equal(new URL(page.url()).pathname, "/status");
  }],
  ["under a foreign name there is no page", async (visit) => {
    const context = await visit.world.browser.newContext();
    visit.contexts.push(context);
    const page = await context.newPage();
    assert.equal((await page.goto(base.replace("127.0.0.1", FOREIGN))).status(), 403);
  }],
  ["a process that is gone is said to be, with what was last known", async (visit) => {
    const page = await visit.open();
    console.log("# end it");
    await page.getByText(/The process does not answer; what is shown is of \d\d:\d\d:\d\d/).waitFor();
    assert.ok((await table(page, "Keys").getByRole("row").count()) > 1);
  }],
];

if (shotsFolder) mkdirSync(shotsFolder, { recursive: true });
const browser = await launch();
try {
  process.exitCode = (await runChecks(checks.map(([name, run]) => ({ name, run })), { browser, base })) ? 0 : 1;
} finally {
  await browser.close();
}
