// Accessibility, narrow screens, and what is received staying what it is: text.
import assert from "node:assert/strict";

import { axe, openExchange, rowOf, until } from "../visit.mjs";

const MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>";

/** Exchanges of every kind that can be had here. Returns a good and a failed one, and what only these two have. */
async function someExchanges(visit) {
  const mark = visit.mark();
  const good = await visit.send(`/seen?${mark}`);
  const bad = await visit.sendRefused(`/unseen?${mark}`);
  await Promise.all([good, bad].map((id) => visit.ended(id)));
  visit.mock?.session();
  const { exchanges } = await visit.api("exchanges");
  const session = exchanges.findLast(({ kind }) => kind === "websocket")?.id ?? null;
  return { mark, good, bad, session };
}

// Dark and light differ in nothing but their colours, and so do the dialogs in either width.
const axeChecks = [["light", 1280, null], ["dark", 1280, ["color-contrast"]], ["light", 360, null]].map(([colorScheme, width, rules]) => ({
  name: `axe finds nothing in list, detail and panels, ${colorScheme}, ${width} px wide`,
  async run(visit) {
    const { mark, good, bad, session } = await someExchanges(visit);
    const page = await visit.open({ colorScheme, width });
    // A list of few rows has all that a long one has, and is looked through sooner.
    await page.getByRole("searchbox").fill(mark);
    await rowOf(page, bad).waitFor();
    await axe(page, "list", rules);
    for (const id of [good, bad, session].filter(Boolean)) {
      if (id === session) {
        await page.getByRole("searchbox").fill("");
        await page.getByLabel("Kind").selectOption("websocket");
      }
      await openExchange(page, id);
      if (id === session && (await page.locator(".timeline summary").count()) > 0) await page.locator(".timeline summary").first().click();
      await axe(page, `detail of ${id}`, rules);
      await page.keyboard.press("Escape");
    }
    for (const name of width === 360 ? [] : ["New request", /^Faults/, "Keys", "Help"]) {
      await page.getByRole("button", { name }).click();
      await page.getByRole("dialog").waitFor();
      await axe(page, `dialog ${name}`, rules);
      await page.keyboard.press("Escape");
    }
    await page.getByRole("searchbox").fill("nothing has this");
    await page.getByText("No exchange matches.").waitFor();
    await axe(page, "empty list", rules);
  },
}));

export const checks = [
  ...axeChecks,
  {
    name: "nothing needs sideways scrolling at 360 px",
    async run(visit) {
      const { good, session } = await someExchanges(visit);
      const page = await visit.open({ width: 360, height: 640 });
      const wider = () => page.evaluate(() => [document.documentElement, byId("grid"), byId("detail")].map((node) => node.scrollWidth - node.clientWidth));
      assert.deepEqual(await wider(), [0, 0, 0]);
      for (const id of [good, session].filter(Boolean)) {
        if (id === session) await page.getByLabel("Kind").selectOption("websocket");
        await openExchange(page, id);
        assert.equal(await page.locator("#list").isVisible(), false);
        assert.deepEqual(await wider(), [0, 0, 0]);
        await page.getByRole("button", { name: "Close" }).click();
      }
      await page.getByRole("button", { name: "Keys" }).click();
      assert.deepEqual(await page.evaluate(() => byId("keys").scrollWidth - byId("keys").clientWidth), 0);
    },
  },
  {
    name: "the page has landmarks, one first heading and a table that says how long it is",
    async run(visit) {
      const { good } = await someExchanges(visit);
      const page = await visit.open();
      await openExchange(page, good);
      for (const role of ["banner", "main", "navigation", "search"]) await page.getByRole(role).waitFor();
      assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
      const grid = page.getByRole("grid", { name: "Exchanges" });
      const { exchanges } = await visit.api("exchanges");
      assert.equal(await grid.getAttribute("aria-rowcount"), String(exchanges.length + 1));
      assert.ok(Number(await rowOf(page, good).getAttribute("aria-rowindex")) >= 2);
      // As many heads as cells, also where the list is narrow and leaves one out.
      const heads = await grid.getByRole("columnheader").count();
      assert.ok(heads >= 6);
      assert.equal(await rowOf(page, good).getByRole("gridcell").count(), heads);
    },
  },
  {
    name: "markup in a header, a body and a target stays text",
    async run(visit) {
      const page = await visit.open();
      const id = await visit.send(`/%3Cscript%3Ealert(1)%3C/script%3E?${visit.mark()}`, { text: MARKUP, headers: [["content-type", "text/html"], ["x-note", MARKUP]] });
      await visit.ended(id);
      await openExchange(page, id);
      const plain = page.locator(".side").filter({ hasText: "as the application got it" });
      assert.equal((await plain.innerText()).split(MARKUP).length - 1, 2);
      await page.getByRole("button", { name: "Edit and send" }).click();
      assert.equal(await page.getByLabel("Body", { exact: true }).inputValue(), MARKUP);
    },
  },
  {
    name: "markup wherever the API has a text stays text",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.refused({
        target: `/${MARKUP}`, method: MARKUP, key: MARKUP, reason: MARKUP, proxy: MARKUP, peer: MARKUP, request_id: MARKUP, algorithm: MARKUP, fault: MARKUP,
      });
      one.detail.failure = { stage: MARKUP, reason: MARKUP, likely: MARKUP };
      one.detail.request.envelope = { iv: MARKUP, fingerprint: MARKUP, algorithm: MARKUP, authenticated: false, tag: null };
      one.detail.request.sealed.start = MARKUP;
      one.detail.request.sealed.headers.push([MARKUP, MARKUP]);
      await rowOf(page, one.id).waitFor();
      await until("the failure is told", async () => (await page.getByRole("log").textContent()).includes(MARKUP));
      await openExchange(page, one.id);
      assert.equal(await page.locator("#detail-title").textContent(), `${MARKUP} /${MARKUP}`);
      assert.equal(await page.evaluate(() => document.querySelectorAll("img").length + document.querySelectorAll("script").length), 1);
    },
  },
  {
    name: "characters that hide or turn text are named",
    mockOnly: true,
    async run(visit) {
      const page = await visit.open();
      const one = visit.mock.add({ target: "/a\u202Egpj.exe\u200b\u0007" });
      await rowOf(page, one.id).getByText("/a⟨U+202E⟩gpj.exe⟨U+200B⟩⟨U+0007⟩").waitFor();
    },
  },
];
