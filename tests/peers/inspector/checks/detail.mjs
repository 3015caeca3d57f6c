// The detail: wire and plaintext side by side.
import assert from "node:assert/strict";

import { openExchange, rowOf } from "../visit.mjs";

const side = (page, part, title) => page.getByRole("region", { name: part, exact: true }).locator(".side").filter({ has: page.getByRole("heading", { name: title }) });
const way = (page, label, name) => page.getByRole("group", { name: `${label}, shown as` }).getByRole("button", { name });

export const checks = [
  {
    name: "wire and plaintext stand side by side, with headers, IV, fingerprint, algorithm and tag",
    async run(visit) {
      const mark = visit.mark();
      const id = await visit.send(`/orders?${mark}`, { text: JSON.stringify({ dish: mark, id: 1 }) });
      const data = await visit.ended(id);
      const page = await visit.open();
      await openExchange(page, id);
      const wire = side(page, "Request", "On the wire");
      const plain = side(page, "Request", "In plain");
      const [left, right] = [await wire.boundingBox(), await plain.boundingBox()];
      assert.ok(left.x + left.width <= right.x && Math.abs(left.y - right.y) < 2, "they do not stand side by side");
      assert.match(await plain.innerText(), new RegExp(`"dish": "${mark}"`));
      assert.doesNotMatch(await wire.innerText(), new RegExp(`"dish": "${mark}"`));
      assert.match(await wire.innerText(), /sec-fingerprint[^]*only here/);
      const { iv, tag, fingerprint } = data.request.envelope;
      const shown = await page.getByRole("region", { name: "Request", exact: true }).locator(".envelope").innerText();
      const hexOf = (text) => Buffer.from(text, "base64").toString("hex");
      for (const part of [iv, tag, fingerprint, hexOf(iv), hexOf(tag), data.algorithm, "authenticated"]) assert.ok(shown.includes(part), part);
      for (const stage of ["Opening", "Upstream", "Sealing"]) await page.getByRole("region", { name: "Time by stage" }).getByText(stage).waitFor();
      assert.match(await side(page, "Reply", "In plain").innerText(), /as the application answered/);
    },
  },
  {
    name: "a body is shown raw, as hex and as JSON, byte for byte",
    async run(visit) {
      const page = await visit.open();
      const text = '{"id":90071992547409931,"a":1,"a":2,"list":[],"price":1.10,"note":"{\\"x\\":[1,2]}"}';
      const id = await visit.send(`/forms?${visit.mark()}`, { text });
      await visit.ended(id);
      await openExchange(page, id);
      const label = "Request, in plain: body";
      const shown = page.getByRole("region", { name: label, exact: true });
      // Neither digits nor names that come twice are lost on the way to several lines.
      const pretty = '{\n  "id": 90071992547409931,\n  "a": 1,\n  "a": 2,\n  "list": [],\n  "price": 1.10,\n  "note": "{\\"x\\":[1,2]}"\n}';
      assert.equal(await shown.textContent(), pretty);
      await way(page, label, "Raw").click();
      assert.equal(await shown.textContent(), text);
      await way(page, label, "Hex").click();
      assert.match(await shown.textContent(), /^000000 {2}7b 22 69 64 22 3a 39 30 {2}\{"id":90\n000008/);
      assert.equal(await way(page, label, "Hex").getAttribute("aria-pressed"), "true");
      await page.setViewportSize({ width: 2400, height: 900 });
      await way(page, label, "Hex").click();
      assert.match(await shown.textContent(), /^000000 {2}7b 22 69 64 22 3a 39 30 {2}30 37 31 39 39 32 35 34 {3}\{"id":9007199254\n000010/);
    },
  },
  {
    name: "a body that is no text is shown as hex, and has no JSON",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/bytes?${visit.mark()}`, { text: Buffer.from([0xff, 0x00, 0x41]), headers: [["content-type", "application/octet-stream"]] });
      await visit.ended(id);
      await openExchange(page, id);
      const label = "Request, in plain: body";
      assert.match(await page.getByRole("region", { name: label, exact: true }).textContent(), /^000000 {2}ff 00 41 .*\.\.A$/);
      assert.equal(await way(page, label, "JSON").isDisabled(), true);
    },
  },
  {
    name: "a body that was cut says so, with its whole length",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ target: "/cut" });
      one.detail.request.plain.body = { length: 5_000_000, kept: 3, base64: Buffer.from("ab\u00fc").subarray(0, 3).toString("base64") };
      await openExchange(page, one.id);
      await page.getByText("Body: 5.0 MB (5000000 bytes), the first 3 B kept").waitFor();
      assert.equal(await page.getByRole("region", { name: "Request, in plain: body", exact: true }).textContent(), "ab");
    },
  },
  {
    name: "a large body is shown in part until the whole is asked for",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ target: "/large" });
      const text = "x".repeat(100_000);
      one.detail.request.plain.body = { length: text.length, kept: text.length, base64: Buffer.from(text).toString("base64") };
      await openExchange(page, one.id);
      const shown = page.getByRole("region", { name: "Request, in plain: body", exact: true });
      assert.equal((await shown.textContent()).length, 32768);
      await side(page, "Request", "In plain").getByRole("button", { name: "Show all of it" }).click();
      assert.equal((await shown.textContent()).length, 100_000);
    },
  },
  {
    name: "JSON of a megabyte is laid out in part at once, and whole when asked for",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ target: "/json" });
      const text = JSON.stringify({ long: "x\\\"".repeat(150_000), deep: JSON.parse("[".repeat(3_000) + "]".repeat(3_000)) });
      one.detail.request.plain.body = { length: text.length, kept: text.length, base64: Buffer.from(text).toString("base64") };
      await openExchange(page, one.id);
      const shown = page.getByRole("region", { name: "Request, in plain: body", exact: true });
      assert.equal((await shown.textContent()).length, 32768);
      await side(page, "Request", "In plain").getByRole("button", { name: "Show all of it" }).click();
      assert.deepEqual(JSON.parse(await shown.textContent()).long, JSON.parse(text).long);
    },
  },
  {
    name: "a failure tells its stage and likely cause, and the doctor reports",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.sendRefused(`/refused?${visit.mark()}`);
      const data = await visit.ended(id);
      await openExchange(page, id);
      const failure = page.getByRole("region", { name: /^Failed/ });
      if (data.failure?.stage === "opening") await failure.getByRole("heading", { name: "Failed while it was opened" }).waitFor();
      if (data.failure?.likely) assert.ok((await failure.innerText()).includes(`Likely: ${data.failure.likely}`));
      await page.getByText("A fault that was asked for").waitFor();
      await failure.getByRole("button", { name: "Run the doctor" }).click();
      const report = page.getByRole("region", { name: "The doctor's report" });
      await report.waitFor();
      assert.ok((await report.textContent()).length > 10);
    },
  },
  {
    name: "an exchange that is open is filled in when it ends, and the focus stays",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ state: "open", status: null, outcome: null, ms: null, target: "/slow" });
      const { reply } = one.detail;
      one.detail.reply = { sealed: null, plain: null, envelope: null };
      await openExchange(page, one.id);
      await page.getByRole("region", { name: "Reply" }).getByText("Not there yet.").waitFor();
      await page.getByRole("button", { name: "Copy as curl" }).focus();
      one.detail.reply = reply;
      visit.mock.change(one, { state: "done", status: 201, outcome: "answered", ms: 3 });
      await side(page, "Reply", "On the wire").waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Copy as curl");
      await rowOf(page, one.id).getByText("201").waitFor();
    },
  },
];
