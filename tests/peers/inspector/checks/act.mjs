// What the page asks the process to do.
import assert from "node:assert/strict";

import { openExchange, rowOf, until } from "../visit.mjs";

const opened = (page) => page.evaluate(() => detail.data?.id ?? null);

/** The exchange that is opened after `id`. */
async function openedAfter(page, id) {
  return until("the new exchange is open", async () => {
    const now = await opened(page);
    return now !== null && now !== id ? now : null;
  });
}

/** Checks what the mock was asked last; a real process shows it by what it does. */
function asked(visit, path, given) {
  if (visit.mock) assert.deepEqual(visit.mock.calls.at(-1), { method: "POST", path: `api/${path}`, given });
}

export const checks = [
  {
    name: "Repeat sends the exchange again under a fresh IV and opens it",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/repeat?${visit.mark()}`);
      const before = await visit.ended(id);
      await openExchange(page, id);
      await page.getByRole("button", { name: "Repeat", exact: true }).click();
      const again = await openedAfter(page, id);
      asked(visit, `exchanges/${id}/repeat`, { exactly: false });
      const after = await visit.ended(again);
      assert.deepEqual([after.repeats, after.target, after.status], [id, before.target, 200]);
      if (!visit.mock) assert.notEqual(after.request.envelope.iv, before.request.envelope.iv);
      await page.getByRole("button", { name: `exchange ${id}` }).click();
      await until("the first is open again", async () => (await opened(page)) === id);
    },
  },
  {
    name: "Repeat exactly sends the very bytes",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/exactly?${visit.mark()}`);
      const before = await visit.ended(id);
      await openExchange(page, id);
      await page.getByRole("button", { name: "Repeat exactly" }).click();
      const again = await openedAfter(page, id);
      asked(visit, `exchanges/${id}/repeat`, { exactly: true });
      const after = await visit.ended(again);
      assert.equal(after.repeats, id);
      if (!visit.mock) assert.deepEqual(after.request.sealed.body, before.request.sealed.body);
    },
  },
  {
    name: "what cannot be repeated is refused in words",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ target: "/cut" });
      one.detail.request.sealed.body.kept = 3;
      await openExchange(page, one.id);
      await page.getByRole("button", { name: "Repeat exactly" }).click();
      await page.getByRole("alert").getByText("the body was not kept whole").waitFor();
    },
  },
  {
    name: "Edit and send starts with the plain request and sends what was made of it",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open();
      const id = await visit.send(`/edit?${mark}`, { headers: [["content-type", "application/json"], ["x-table", "7"]], text: '{"dish":"soup"}' });
      await visit.ended(id);
      await openExchange(page, id);
      await page.getByRole("button", { name: "Edit and send" }).click();
      const form = page.getByRole("dialog", { name: "Send a request" });
      assert.equal(await form.getByLabel("Path and query").inputValue(), `/edit?${mark}`);
      assert.equal(await form.getByLabel("Body", { exact: true }).inputValue(), '{"dish":"soup"}');
      const headers = await form.getByLabel(/^Headers/).inputValue();
      assert.match(headers, /^x-table: 7$/m);
      assert.doesNotMatch(headers, /content-length|sec-iv|sec-fingerprint|host:/i);
      await form.getByLabel("Method").fill("PUT");
      await form.getByLabel("Path and query").fill(`/edited?${mark}`);
      await form.getByLabel(/^Headers/).fill("content-type: text/plain\nx-new: a: b");
      await form.getByLabel("Body", { exact: true }).fill("grün");
      await form.getByRole("button", { name: "Send" }).click();
      const sent = await openedAfter(page, id);
      const given = { headers: [["content-type", "text/plain"], ["x-new", "a: b"]], body: Buffer.from("grün").toString("base64") };
      const { proxy } = await visit.ended(sent);
      asked(visit, "send", { proxy, method: "PUT", target: `/edited?${mark}`, ...given });
      const { request, method, target } = await visit.ended(sent);
      assert.deepEqual([method, target, request.plain.body.base64], ["PUT", `/edited?${mark}`, given.body]);
      assert.ok(request.plain.headers.some(([name, value]) => name.toLowerCase() === "x-new" && value === "a: b"));
      await rowOf(page, sent).waitFor();
    },
  },
  {
    name: "bytes that a text field would change are edited as base64",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/crlf?${visit.mark()}`, { text: "a\r\nb", headers: [["content-type", "text/plain"]] });
      await visit.ended(id);
      await openExchange(page, id);
      await page.getByRole("button", { name: "Edit and send" }).click();
      assert.equal(await page.getByLabel("The body is written as").inputValue(), "base64");
      await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
      const sent = await visit.ended(await openedAfter(page, id));
      assert.equal(sent.request.plain.body.base64, Buffer.from("a\r\nb").toString("base64"));
    },
  },
  {
    name: "what cannot be sent is said in the form, and nothing written is lost",
    async run(visit) {
      const page = await visit.open();
      await page.getByRole("button", { name: "New request" }).click();
      const form = page.getByRole("dialog");
      await form.getByLabel(/^Headers/).fill("no colon");
      await form.getByRole("button", { name: "Send" }).click();
      await form.getByRole("alert").getByText("This header has no colon: no colon").waitFor();
      await form.getByLabel(/^Headers/).fill("");
      await form.getByLabel("Path and query").fill("orders");
      await form.getByRole("button", { name: "Send" }).click();
      await until("the process refuses", async () => /\w/.test(await form.getByRole("alert").textContent()) && !/colon/.test(await form.getByRole("alert").textContent()));
      assert.equal(await form.getByLabel("Path and query").inputValue(), "orders");
      await page.keyboard.press("Escape");
      assert.equal(await form.isVisible(), false);
    },
  },
  {
    name: "an exchange is copied as alewife send and as curl",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/copied?${visit.mark()}`);
      await visit.ended(id);
      await openExchange(page, id);
      for (const [button, as, begins] of [["Copy as alewife send", "send", "alewife send"], ["Copy as curl", "curl", "curl"]]) {
        await page.getByRole("button", { name: button }).click();
        await page.getByText(`Copied, as ${as === "send" ? "alewife send" : "curl"}.`).waitFor();
        const copied = await page.evaluate(() => navigator.clipboard.readText());
        const line = await (await fetch(`${visit.base}api/exchanges/${id}/copy?as=${as}`)).text();
        assert.equal(copied, line);
        assert.ok(copied.startsWith(begins), copied);
      }
    },
  },
  {
    name: "where the browser forbids copying, the line is there to be taken",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/forbidden?${visit.mark()}`);
      await visit.ended(id);
      await openExchange(page, id);
      await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error("no")); });
      await page.getByRole("button", { name: "Copy as curl" }).click();
      assert.match(await page.getByRole("dialog", { name: "Copy this line" }).getByRole("textbox").inputValue(), /^curl /);
    },
  },
  {
    name: "a fault is asked for, waits, and hits the next exchange",
    async run(visit) {
      const page = await visit.open();
      await page.getByRole("button", { name: /^Faults/ }).click();
      const panel = page.getByRole("dialog", { name: "Faults on demand" });
      await panel.getByText("None.").waitFor();
      await panel.getByLabel("Fault", { exact: true }).selectOption("error_code_2");
      assert.equal(await panel.getByLabel("Delay in milliseconds").isVisible(), false);
      await panel.getByRole("button", { name: "Add the fault" }).click();
      await panel.getByText("1 more").waitFor();
      asked(visit, "faults", { kind: "error_code_2", count: 1 });
      await panel.getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Faults (1 waiting)" }).waitFor();
      const id = await visit.send(`/bent?${visit.mark()}`);
      await rowOf(page, id).getByText("fault: error code 2").waitFor();
      await page.getByRole("button", { name: "Faults", exact: true }).waitFor();
    },
  },
  {
    name: "a delay has its milliseconds, and all faults are ended at once",
    async run(visit) {
      const page = await visit.open();
      await page.getByRole("button", { name: /^Faults/ }).click();
      const panel = page.getByRole("dialog", { name: "Faults on demand" });
      await panel.getByText("None.").waitFor();
      await panel.getByLabel("Fault", { exact: true }).selectOption("delay");
      await panel.getByLabel("For the next").fill("3");
      await panel.getByLabel("Delay in milliseconds").fill("250");
      await panel.getByRole("button", { name: "Add the fault" }).click();
      await panel.getByText("3 more").waitFor();
      asked(visit, "faults", { kind: "delay", count: 3, ms: 250 });
      await panel.getByRole("button", { name: "End all" }).click();
      await panel.getByText("None.").waitFor();
      assert.deepEqual((await visit.api("faults")).faults, []);
    },
  },
  {
    name: "the keys are shown with what they are used for, and rotate",
    async run(visit) {
      const page = await visit.open();
      await page.getByRole("button", { name: "Keys" }).click();
      const panel = page.getByRole("dialog", { name: "Keys" });
      const { keysets } = await visit.api("keys");
      const [first] = keysets[0].keys;
      await panel.getByRole("rowheader", { name: first.fingerprint, exact: true }).waitFor();
      for (const head of ["Fingerprint", "Algorithm", "State", "Valid from", "Valid until", "Sealed", "Opened", "Last used", "May it go?"]) {
        assert.equal(await panel.getByRole("columnheader", { name: head, exact: true }).count(), keysets.length, head);
      }
      await panel.getByRole("button", { name: "Rotate now" }).click();
      await panel.getByText("seals from now on.").waitFor();
      const after = (await visit.api("keys")).keysets.flatMap(({ keys }) => keys);
      const sealing = after.find(({ seals, fingerprint }) => seals && !keysets.some(({ keys }) => keys.some((key) => key.fingerprint === fingerprint)));
      assert.ok(sealing, "no new key seals");
      await panel.getByRole("rowheader", { name: sealing.fingerprint, exact: true }).waitFor();
    },
  },
  {
    name: "where the process may only show, nothing offers to act",
    mockOnly: true,
    async run(visit) {
      visit.mock.about.can_act = false;
      try {
        const page = await visit.open();
        const one = visit.mock.refused({ target: "/shown" });
        await openExchange(page, one.id);
        for (const name of ["Repeat", "Repeat exactly", "Edit and send", "New request", "Faults"]) {
          assert.equal(await page.getByRole("button", { name, exact: true }).count(), 0, name);
        }
        await page.getByRole("button", { name: "Run the doctor" }).waitFor();
        await page.getByRole("button", { name: "Keys" }).click();
        await page.getByRole("rowheader", { name: visit.mock.keys[0], exact: true }).waitFor();
        assert.equal(await page.getByRole("button", { name: "Rotate now" }).count(), 0);
      } finally {
        visit.mock.about.can_act = true;
      }
    },
  },
];
