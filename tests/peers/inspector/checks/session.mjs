// WebSockets: the timeline of their messages.
import assert from "node:assert/strict";

import { openExchange, rowOf, skip, until } from "../visit.mjs";

const timeline = (page) => page.locator(".timeline > li");

export const checks = [
  {
    name: "the timeline of a WebSocket shows each message sealed and open",
    async run(visit) {
      visit.mock?.session();
      const { exchanges } = await visit.api("exchanges");
      const details = await Promise.all(exchanges.filter(({ kind }) => kind === "websocket").slice(-1).map(({ id }) => visit.api(`exchanges/${id}`)));
      if (!(details[0]?.messages.length > 0)) return skip("no WebSocket with messages was opened before");
      const [{ id, messages }] = details;
      const page = await visit.open();
      await page.getByLabel("Kind").selectOption("websocket");
      await openExchange(page, id);
      await page.getByRole("heading", { name: `Messages (${messages.length})` }).waitFor();
      const index = messages.findIndex(({ sealed, plain }) => sealed && plain);
      const item = timeline(page).nth(index);
      await item.locator("summary").focus();
      await page.keyboard.press("Enter");
      const text = ({ base64 }) => Buffer.from(base64, "base64").toString();
      const way = messages[index].direction === "to_server" ? "→ to server" : "← to client";
      assert.ok((await item.locator("summary").innerText()).includes(way));
      await item.getByRole("heading", { name: "On the wire" }).waitFor();
      const squeezed = (shown) => shown.replaceAll(/\s+/g, "");
      for (const [title, body] of [["on the wire", messages[index].sealed], ["in plain", messages[index].plain]]) {
        const shown = await item.getByRole("region", { name: `Message ${index}, ${title}` }).textContent();
        if (messages[index].text) assert.equal(squeezed(shown), squeezed(text(body)));
      }
      const refused = messages.findIndex((message) => message.refused);
      if (refused >= 0) await timeline(page).nth(refused).getByText(`✕ refused: ${messages[refused].refused}`).waitFor();
      return undefined;
    },
  },
  {
    name: "messages come in while the timeline is open, and those that were opened stay open",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.session(2);
      await openExchange(page, one.id);
      await timeline(page).first().locator("summary").click();
      visit.mock.message(one);
      await until("three messages", async () => (await timeline(page).count()) === 3);
      assert.equal(await timeline(page).first().locator("details").getAttribute("open"), "");
      await rowOf(page, one.id).getByText("101 open").waitFor();
      visit.mock.change(one, { state: "done", outcome: "answered", ms: 4000 });
      await page.getByText("4000 ms").first().waitFor();
    },
  },
  {
    name: "of a long session the last messages are shown, and earlier ones on demand",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.session(450);
      await openExchange(page, one.id);
      assert.equal(await timeline(page).count(), 200);
      await page.getByRole("button", { name: "Show 200 of 250 earlier messages" }).click();
      await page.getByRole("button", { name: "Show 50 of 50 earlier messages" }).click();
      assert.equal(await timeline(page).count(), 450);
      assert.match(await timeline(page).first().innerText(), /^#0\b/);
      assert.equal(await page.getByRole("button", { name: /earlier messages/ }).count(), 0);
    },
  },
];
