// The list: live, filtered, searched, by keyboard.
import assert from "node:assert/strict";

import { openExchange, rowOf, rowsAre, searchFor, until } from "../visit.mjs";

const focused = (page) => page.evaluate(() => document.activeElement.id);

export const checks = [
  {
    name: "an exchange appears live and tells how it ended",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/orders?${visit.mark()}`);
      await rowOf(page, id).waitFor();
      await rowOf(page, id).getByText("200").waitFor();
      const { key } = await visit.ended(id);
      assert.match(await rowOf(page, id).innerText(), new RegExp(`POST[^]*/orders\\?mark[^]*${key}`));
    },
  },
  {
    name: "what happened before the page was opened is there as well",
    async run(visit) {
      const id = await visit.send(`/orders?${visit.mark()}`);
      await visit.ended(id);
      const page = await visit.open();
      await rowOf(page, id).waitFor();
    },
  },
  {
    name: "a failed exchange is marked in words and told to a screen reader",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open();
      const id = await visit.sendRefused(`/orders?${mark}`);
      await rowOf(page, id).getByText("✕ 400").waitFor();
      await until("it is told", async () => (await page.getByRole("log").textContent()).includes(`Exchange ${id} failed`));
    },
  },
  {
    name: "the filter leaves failed, answered or one kind",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open();
      const answered = await visit.send(`/a?${mark}`);
      const refused = await visit.sendRefused(`/b?${mark}`);
      await Promise.all([answered, refused].map((id) => visit.ended(id)));
      await searchFor(page, mark, 2);
      await page.getByLabel("Outcome").selectOption("failed");
      await rowsAre(page, 1);
      await rowOf(page, refused).waitFor();
      await page.getByLabel("Outcome").selectOption("ok");
      await rowOf(page, answered).waitFor();
      await rowsAre(page, 1);
      await page.getByLabel("Kind").selectOption("websocket");
      await page.getByText("No exchange matches.").waitFor();
      await page.getByRole("button", { name: "Show all" }).click();
      await rowOf(page, refused).waitFor();
    },
  },
  {
    name: "the search finds method, path, status and key, each by itself",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open();
      const put = await visit.send(`/put?${mark}`, { method: "PUT" });
      const refused = await visit.sendRefused(`/lost?${mark}`);
      const { key } = await visit.ended(put);
      await visit.ended(refused);
      for (const [text, found] of [
        ["method:put", [put]], ["path:/lost", [refused]], ["status:4", [refused]], ["status:200", [put]],
        [`key:${key} method:put`, [put]], ["PUT 200", [put]], ["method:delete", []], ["key:nobody", []],
      ]) {
        await searchFor(page, `${mark} ${text}`, found.length);
        for (const id of found) await rowOf(page, id).waitFor();
      }
    },
  },
  {
    name: "the search looks into plain bodies when asked to",
    async run(visit) {
      const mark = visit.mark();
      const id = await visit.send("/body", { text: JSON.stringify({ note: mark }) });
      await visit.ended(id);
      const page = await visit.open();
      await searchFor(page, mark, 0);
      await page.getByLabel("in bodies too").check();
      await rowOf(page, id).waitFor();
      await rowsAre(page, 1);
    },
  },
  {
    name: "a detail is opened, read and closed by keyboard alone, with the focus in sight",
    async run(visit) {
      const mark = visit.mark();
      const ids = [];
      for (const path of ["/one", "/two", "/three"]) ids.push(await visit.send(`${path}?${mark}`));
      await Promise.all(ids.map((id) => visit.ended(id)));
      const page = await visit.open();
      await page.keyboard.press("/");
      assert.equal(await focused(page), "search");
      await page.keyboard.type(mark);
      await rowsAre(page, 3);
      await page.keyboard.press("Enter");
      assert.equal(await focused(page), "grid");
      const cursor = () => page.getByRole("grid").getAttribute("aria-activedescendant");
      assert.equal(await cursor(), `row-${ids[2]}`);
      await page.keyboard.press("ArrowDown");
      assert.equal(await cursor(), `row-${ids[1]}`);
      await page.keyboard.press("End");
      assert.equal(await cursor(), `row-${ids[0]}`);
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("Enter");
      await until("the detail has the focus", async () => (await focused(page)) === "detail-title");
      assert.match(await page.locator("#detail-title").innerText(), /\/two/);
      await page.keyboard.press("Tab");
      const outline = await page.evaluate(() => [document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]);
      assert.deepEqual(outline, ["Repeat", "solid"]);
      await page.keyboard.press("Escape");
      await until("the list has the focus", async () => (await focused(page)) === "grid");
      assert.equal(await page.locator("#detail").isVisible(), false);
      assert.equal(await cursor(), `row-${ids[1]}`);
    },
  },
  {
    name: "while the list is paused it stands still, and catches up when it goes on",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open();
      await page.getByRole("searchbox").fill(mark);
      await page.getByRole("button", { name: "Pause" }).click();
      const id = await visit.send(`/paused?${mark}`);
      await page.getByText(/Paused, \d+ newer/).waitFor();
      assert.equal(await rowOf(page, id).count(), 0);
      await page.getByRole("button", { name: "Resume" }).click();
      await rowOf(page, id).waitFor();
    },
  },
  {
    name: "who has scrolled down keeps seeing the same rows while others come in",
    async run(visit) {
      const mark = visit.mark();
      const page = await visit.open({ height: 400 });
      await page.getByRole("searchbox").fill(mark);
      for (let i = 0; i < 40; i += 1) await visit.send(`/scroll?${mark}&i=${i}`);
      await rowsAre(page, 40);
      await page.evaluate(() => { list.grid.scrollTop = 12 * list.rowHeight; });
      const top = () => page.evaluate(() => atIndex(Math.floor(list.grid.scrollTop / list.rowHeight)).target);
      const before = await top();
      for (let i = 0; i < 5; i += 1) await visit.send(`/later?${mark}&i=${i}`);
      await rowsAre(page, 45);
      assert.equal(await top(), before);
    },
  },
  {
    name: "an address with the number of an exchange opens it",
    async run(visit) {
      const id = await visit.send(`/linked?${visit.mark()}`);
      await visit.ended(id);
      const page = await visit.open({ path: `#${id}` });
      await page.locator("#detail-title").getByText("/linked").waitFor();
    },
  },
  {
    name: "Clear asks the process to forget, and every page forgets",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const other = await visit.open();
      const id = await visit.send(`/cleared?${visit.mark()}`);
      await openExchange(page, id);
      await rowOf(other, id).waitFor();
      await page.getByRole("button", { name: "Clear" }).click();
      for (const one of [page, other]) await one.getByText("No exchange yet.").waitFor();
      assert.equal(await page.locator("#detail").isVisible(), false);
      assert.deepEqual(visit.mock.calls.at(-1), { method: "DELETE", path: "api/exchanges", given: null });
    },
  },
  {
    name: "after events were lost the list is read anew",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const { id } = visit.mock.add({ target: "/unheard" }, {}, true);
      visit.mock.event("behind", {});
      await rowOf(page, id).waitFor();
    },
  },
  {
    name: "a connection that was lost is said to be, and what happened meanwhile is read",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      await page.getByText("Live", { exact: true }).waitFor();
      const { id } = visit.mock.add({ target: "/meanwhile" }, {}, true);
      for (const stream of visit.mock.streams) stream.destroy();
      await page.getByText("Connection lost, trying again").waitFor();
      await rowOf(page, id).waitFor();
      await page.getByText("Live", { exact: true }).waitFor();
    },
  },
  {
    name: "an exchange that is no longer kept is said to be gone",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const { id } = visit.mock.add({ target: "/gone" });
      await rowOf(page, id).waitFor();
      visit.mock.exchanges.delete(id);
      await rowOf(page, id).click();
      await page.getByText("It is no longer kept").waitFor();
    },
  },
];
